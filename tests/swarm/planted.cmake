# Each planted defect has a dashi-lab of its own: the sources it lies in are compiled again, and their objects
# come before the archive's, which are not taken then. The swarm must find it.
get_target_property(lab_libraries dashi-lab LINK_LIBRARIES)

# planted(NAME SEEDS WORDS SOURCES...): WORDS are what the oracle that sees it says.
function(planted name seeds words)
  dashi_plant(definition ${name})
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/core/tcp/ OUTPUT_VARIABLE sources)
  add_executable(dashi-lab-planted-${name} ${sources} $<TARGET_OBJECTS:dashi-lab>)
  target_compile_definitions(dashi-lab-planted-${name} PRIVATE ${definition})
  target_link_libraries(dashi-lab-planted-${name} PRIVATE ${lab_libraries})
  set_target_properties(dashi-lab-planted-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME planted_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/found
    $<TARGET_FILE:dashi-lab-planted-${name}> ${seeds} ${words})
  add_test(NAME shrunk_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/shrunk $<TARGET_FILE:dashi-lab>
    $<TARGET_FILE:dashi-lab-planted-${name}> ${seeds} ${words})
  set_tests_properties(planted_${name} shrunk_${name} PROPERTIES TIMEOUT 120)
endfunction()

planted(lost-window-update 1..1000 "a closed window that can open is told of" uplink.cc)
planted(rto-not-rearmed 1..1000 "what is unacknowledged is waited for" downlink.cc loss_timers.cc)
planted(early-fin-off-by-one 1..250 "the guest gave it up" uplink.cc)
planted(stale-event 1..2000 "an event of a flow that is over was taken for another's" tcp_proxy.cc)
planted(sack-kept-across-wrap 1..250 "runs follow one another" recovery.cc)

# small_planted(NAME WORDS): the small worlds see it as well, with few events, and whether orders go on as one or not.
function(small_planted name words)
  get_target_property(sources dashi-lab-planted-${name} SOURCES)
  list(FILTER sources INCLUDE REGEX "[.]cc$")
  dashi_plant(definition ${name})
  add_executable(small-worlds-planted-${name} ${sources} $<TARGET_OBJECTS:test_small_worlds>)
  target_compile_definitions(small-worlds-planted-${name} PRIVATE ${definition})
  target_link_libraries(small-worlds-planted-${name} PRIVATE dashi_test_support dashi_swarm)
  set_target_properties(small-worlds-planted-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME small_planted_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/small_found
    $<TARGET_FILE:small-worlds-planted-${name}> ${words})
  set_tests_properties(small_planted_${name} PROPERTIES PROCESSORS 2 TIMEOUT 120)
endfunction()

small_planted(early-fin-off-by-one "the guest gave it up")

# The longest of these ranges without a defect.
add_test(NAME planted_none COMMAND dashi-lab swarm --seeds 1..2000)
set_tests_properties(planted_none PROPERTIES TIMEOUT 120)
