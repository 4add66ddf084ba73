#include "sim/script/shell.hh"

#include <algorithm>

namespace dashi::script {
namespace {

constexpr unsigned kDepthMax = 4;  // files that name files
constexpr uint64_t kProductMax = uint64_t{1} << 40;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// $((15*1024*1024)): a product of numbers is all that is computed; else the text stays.
std::string computed(const std::string& text) {
  uint64_t product = 1;
  uint64_t factor = 0;
  for (const char c : text + "*") {
    if (c == ' ') continue;
    if (c >= '0' && c <= '9') {
      factor = factor * 10 + static_cast<uint64_t>(c - '0');
    } else if (c == '*') {
      product *= factor;
      factor = 0;
    } else {
      return text;
    }
    if (factor > kProductMax || product > kProductMax) return text;
  }
  return std::to_string(product);
}

class Words {
 public:
  explicit Words(const std::string& text) : text_(text) {}

  std::vector<std::vector<std::string>> all() {
    while (at_ < text_.size()) step();
    end_command();
    return std::move(commands_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '\\' && at_ + 1 < text_.size()) {
      if (text_[at_ + 1] != '\n') add(text_[at_ + 1]);
      at_ += 2;
    } else if (text_.compare(at_, 3, "$((") == 0) {
      compute();
    } else if (c == '"' || c == '\'') {
      if (quote_ == '\0' || quote_ == c) {
        quote_ = quote_ == '\0' ? c : '\0';
        in_word_ = true;
      } else {
        add(c);
      }
      ++at_;
    } else if (quote_ != '\0') {
      add(c);
      ++at_;
    } else if (c == '#' && !in_word_) {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else {
      plain(c);
    }
  }

  void plain(char c) {
    ++at_;
    if (c == '\n' || c == ';' || c == '|' || c == '&') return end_command();
    if (c == ' ' || c == '\t' || c == '\r') return end_word();
    add(c);
  }

  void compute() {
    const size_t end = text_.find("))", at_);
    if (end == std::string::npos) {
      add(text_[at_++]);
      return;
    }
    for (const char c : computed(text_.substr(at_ + 3, end - at_ - 3))) add(c);
    at_ = end + 2;
  }

  void add(char c) {
    word_ += c;
    in_word_ = true;
  }

  void end_word() {
    if (in_word_) command_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  void end_command() {
    end_word();
    if (!command_.empty()) commands_.push_back(std::move(command_));
    command_.clear();
  }

  const std::string& text_;
  size_t at_ = 0;
  char quote_ = '\0';
  bool in_word_ = false;
  std::string word_;
  std::vector<std::string> command_;
  std::vector<std::vector<std::string>> commands_;
};

// net.ipv4.tcp_sack=1, or /proc/sys/net/ipv4/tcp_sack=1
void read_assignment(const std::string& word, ShellReading& into) {
  constexpr const char* kProc = "/proc/sys/";
  const size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0) return;
  std::string name = word.substr(0, equals);
  if (name.rfind(kProc, 0) == 0) {
    name = name.substr(std::string(kProc).size());
    std::replace(name.begin(), name.end(), '/', '.');
  }
  into.sysctls.emplace_back(name, word.substr(equals + 1));
}

bool has(const std::vector<std::string>& words, const char* one) {
  return std::find(words.begin(), words.end(), one) != words.end();
}

void read_text(const std::string& text, const ReadBeside& beside, ShellReading& into,
               unsigned depth) {
  for (const std::vector<std::string>& words : shell_commands(text)) {
    const std::string& name = words[0];
    if (name == "sysctl" || ends_with(name, "/set_sysctls.py") || name == "set_sysctls.py") {
      for (size_t i = 1; i < words.size(); ++i) read_assignment(words[i], into);
      continue;
    }
    if (ends_with(name, ".sh") && name[0] != '/' && depth < kDepthMax && beside) {
      const std::string inner = beside(name);
      if (!inner.empty()) {
        read_text(inner, beside, into, depth + 1);
        continue;
      }
    }
    if (name == "ethtool" && has(words, "off") && (has(words, "tso") || has(words, "gso"))) {
      into.segments_offloaded = false;
      continue;
    }
    const auto window = std::find(words.begin(), words.end(), "initcwnd");
    if (name == "ip" && window != words.end() && window + 1 != words.end()) {
      into.initial_window = *(window + 1);
      continue;
    }
    into.passed_over.push_back(name);
  }
}

}  // namespace

std::vector<std::vector<std::string>> shell_commands(const std::string& text) {
  return Words(text).all();
}

void read_shell(const std::string& text, const ReadBeside& beside, ShellReading& into) {
  read_text(text, beside, into, 0);
}

}  // namespace dashi::script
