// Message lines: arp who-has 10.0.0.1 tell 10.0.0.2. What may be written is message_forms' to say.
#include "sim/script/message_forms.hh"
#include "sim/script/parser_state.hh"

namespace dashi::script {
namespace {

bool ends_message(const Token& token) {
  for (const char* word :
       {"drop", "dup", "delay", "corrupt", "frag", "cut", "pad", "segment", "then"}) {
    if (token.is_word(word)) return true;
  }
  return false;
}

std::string no_such(const std::string& protocol, const std::string& field) {
  return "no such field of " + protocol + ": " + field;
}

void check_names(ParserState& in, Where where, const std::string& protocol,
                 const std::string& names) {
  for (const std::string& name : items_of(names)) {
    if (!type_of(protocol, name)) in.fail(where, no_such(protocol, name));
  }
}

void parse_value(ParserState& in, MessageSpec& message, const std::string& name, FieldType type) {
  MessageField field{in.peek().where, name, {}};
  if (type != FieldType::kFlag) {
    if (!in.on_line(field.where.line)) return in.expected(("a value of " + name).c_str());
    const std::string text = in.term();
    const std::optional<std::string> value = canonical(type, text);
    if (!value) return in.fail(field.where, "not a value of " + name + ": " + text);
    if (type == FieldType::kNames) check_names(in, field.where, message.protocol, *value);
    field.value = *value;
  }
  message.fields.push_back(std::move(field));
}

}  // namespace

std::string ParserState::term() {
  std::string text;
  const uint32_t line = peek().where.line;
  do {
    const bool whole = peek().kind == Token::Kind::kString;
    text += take().text;
    if (whole) break;
  } while (on_line(line) && !peek().after_space && !failed());
  return text;
}

MessageSpec parse_message(ParserState& in) {
  MessageSpec message;
  const uint32_t line = in.peek().where.line;
  message.protocol = in.take().text;
  const Where where = in.peek().where;
  if (!in.on_line(line)) return in.expected("what the message is"), message;
  message.verb = in.term();
  const std::vector<std::string>* positions = positions_of(message.protocol, message.verb);
  if (positions == nullptr) {
    in.fail(where, "no such message of " + message.protocol + ": " + message.verb);
    return message;
  }
  for (const std::string& name : *positions) {
    if (!in.on_line(line)) return in.expected(("the " + name).c_str()), message;
    parse_value(in, message, name, *type_of(message.protocol, name));
  }
  while (in.on_line(line) && !in.failed() && in.peek().kind != Token::Kind::kString &&
         !ends_message(in.peek())) {
    const Where at = in.peek().where;
    const std::string name = in.term();
    const std::optional<FieldType> type = type_of(message.protocol, name);
    if (!type)
      in.fail(at, no_such(message.protocol, name));
    else
      parse_value(in, message, name, *type);
  }
  return message;
}

// $name or $name+1 where a number may stand. The number is the run's to fill in.
uint64_t ParserState::integer_or_variable(const char* what, uint64_t most, VariableUse::Slot slot) {
  if (failed() || !peek().is('$')) return integer(what, most);
  VariableUse use;
  use.where = take().where;
  use.slot = slot;
  use.name = word("the name of a variable");
  const bool minus = peek().is('-') && !peek().after_space;
  if (minus || (peek().is('+') && !peek().after_space)) {
    take();
    const auto plus = static_cast<int64_t>(integer("a number", UINT32_MAX));
    use.plus = minus ? -plus : plus;
  }
  variables_.push_back(use);
  return 0;
}

}  // namespace dashi::script
