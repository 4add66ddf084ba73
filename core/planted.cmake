# dashi_plant(VARIABLE NAME): the definition that plants the defect NAME (core/tcp/planted.hh), spelled as
# there but with hyphens: lost-window-update is Plant::kLostWindowUpdate.
function(dashi_plant variable name)
  set(enumerator k)
  string(REPLACE "-" ";" words "${name}")
  foreach(word IN LISTS words)
    string(SUBSTRING ${word} 0 1 first)
    string(TOUPPER ${first} first)
    string(SUBSTRING ${word} 1 -1 rest)
    string(APPEND enumerator ${first}${rest})
  endforeach()
  set(${variable} DASHI_PLANT=${enumerator} PARENT_SCOPE)
endfunction()
