// The calls of the far end's application, and the values in them.
#include "sim/script/constants.hh"
#include "sim/script/far_end.hh"
#include "sim/script/parser_state.hh"

namespace dashi::script {
namespace {

constexpr unsigned kDepthMax = 16;

Value value_at(ParserState& in, unsigned depth);

// Members up to `closer`: values, each perhaps with a name: fd=4, msg_iov(1)=[...].
void members(ParserState& in, char closer, Value& into, unsigned depth) {
  if (in.accept(closer)) return;
  do {
    Value member = value_at(in, depth);
    std::string name;
    if (in.accept('=')) {
      name = member.text;
      member = value_at(in, depth);
    }
    into.items.push_back(std::move(member));
    into.names.push_back(std::move(name));
  } while (in.accept(',') && !in.failed());
  in.expect(closer);
}

Value number(ParserState& in, bool negative) {
  Value value;
  value.kind = Value::Kind::kNumber;
  value.where = in.peek().where;
  const auto magnitude = static_cast<int64_t>(in.integer("a number", INT64_MAX));
  value.number = negative ? -magnitude : magnitude;
  return value;
}

Value word(ParserState& in, unsigned depth) {
  Value value;
  value.where = in.peek().where;
  value.kind = Value::Kind::kWord;
  value.text = in.take().text;
  if (in.accept('(')) {
    value.kind = Value::Kind::kCall;
    members(in, ')', value, depth + 1);
  }
  return value;
}

Value string(ParserState& in) {
  Value value;
  value.kind = Value::Kind::kString;
  value.where = in.peek().where;
  while (in.peek().kind == Token::Kind::kString) value.text += in.take().text;
  value.begins = in.peek().kind == Token::Kind::kEllipsis;
  if (value.begins) in.take();
  return value;
}

Value bracketed(ParserState& in, unsigned depth) {
  Value value;
  value.where = in.peek().where;
  const bool list = in.take().is('[');
  value.kind = list ? Value::Kind::kList : Value::Kind::kStruct;
  members(in, list ? ']' : '}', value, depth + 1);
  return value;
}

Value single(ParserState& in, unsigned depth) {
  const Token& next = in.peek();
  Value value;
  value.where = next.where;
  if (next.is('[') || next.is('{')) return bracketed(in, depth);
  if (next.is('?')) {
    in.take();
    value.kind = Value::Kind::kUnknown;
    return value;
  }
  if (in.accept('-')) return number(in, true);
  switch (next.kind) {
    case Token::Kind::kInteger:
      return number(in, false);
    case Token::Kind::kWord:
      return word(in, depth);
    case Token::Kind::kString:
      return string(in);
    case Token::Kind::kEllipsis:
      in.take();
      value.kind = Value::Kind::kEllipsis;
      return value;
    default:
      in.expected("a value");
      return value;
  }
}

Value value_at(ParserState& in, unsigned depth) {
  if (depth > kDepthMax) {
    in.fail(in.peek().where, "these values are nested too deeply");
    return {};
  }
  Value value = single(in, depth);
  if (!in.peek().is('|')) return value;
  Value either;
  either.kind = Value::Kind::kOr;
  either.where = value.where;
  either.items.push_back(std::move(value));
  while (in.accept('|')) either.items.push_back(single(in, depth));
  return either;
}

// Bytes written are as many as the call says; those of "text"... may be followed by zeros.
void check_written(ParserState& in, const Value& text, const Value& count) {
  if (text.kind != Value::Kind::kString || count.kind != Value::Kind::kNumber) return;
  const auto length = static_cast<int64_t>(text.text.size());
  if (length == count.number || (text.begins && length < count.number)) return;
  in.fail(text.where, "this text has " + std::to_string(length) + " bytes, not " +
                          std::to_string(count.number));
}

// The lengths of a call's texts; those of several buffers are in pairs: [{"text", 4}, {..., 9}].
void check_lengths(ParserState& in, const CallSpec& call) {
  const std::vector<Value>& given = call.arguments;
  const bool bytes = call.name == "write" || call.name == "send" || call.name == "sendto";
  if (bytes && given.size() > 2) check_written(in, given[1], given[2]);
  const bool reads = call.name == "read" || call.name == "recv" || call.name == "recvfrom";
  if (reads && given.size() > 2 && call.result.number >= 0)
    check_written(in, given[1], call.result);
  const bool message = call.name == "sendmsg" && given.size() > 1;
  const Value* vectors = message                                     ? member(given[1], "msg_iov")
                         : call.name == "writev" && given.size() > 1 ? &given[1]
                                                                     : nullptr;
  if (vectors == nullptr) return;
  for (const Value& one : vectors->items) {
    if (one.items.size() == 2) check_written(in, one.items[0], one.items[1]);
  }
}

}  // namespace

Value parse_value(ParserState& in) { return value_at(in, 0); }

CallSpec parse_call(ParserState& in) {
  CallSpec call;
  const Where where = in.peek().where;
  call.name = in.word("the name of a call");
  if (!FarEnd::knows(call.name)) in.fail(where, "no such call: " + call.name);
  in.expect('(');
  Value arguments;
  members(in, ')', arguments, 0);
  call.arguments = std::move(arguments.items);
  if (const Value* wrong = misnamed(call)) in.fail(wrong->where, "no such name: " + wrong->text);
  in.expect('=');
  if (in.failed()) return call;
  call.result = parse_value(in);
  check_lengths(in, call);
  const bool failed_call = call.result.kind == Value::Kind::kNumber && call.result.number < 0;
  if (failed_call && in.peek().kind == Token::Kind::kWord) call.error = in.take().text;
  in.take_note();  // strerror's words, or what flags stand for
  return call;
}

}  // namespace dashi::script
