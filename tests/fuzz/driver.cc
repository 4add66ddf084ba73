// The main() of a target where there is no libFuzzer: runs every file of a corpus once, and then inputs
// made of them by a fixed seed, always the same. It looks for nothing new: it holds what was found.
//
//   fuzz_NAME INPUTS FILE|FOLDER...
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.hh"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using Contents = std::vector<uint8_t>;

constexpr size_t kBytesMax = 4096;  // of an input that is made here

// splitmix64
class Dice {
 public:
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(next() % n); }
  uint8_t byte() { return static_cast<uint8_t>(next()); }

 private:
  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_ = 20260101;
};

ptrdiff_t signed_of(size_t n) { return static_cast<ptrdiff_t>(n); }

void bend(Dice& dice, const std::vector<Contents>& corpus, Contents& input) {
  const size_t where = dice.below(input.size() + 1);
  switch (dice.below(5)) {
    case 0:
      if (where < input.size()) input[where] ^= static_cast<uint8_t>(1u << dice.below(8));
      break;
    case 1:
      if (where < input.size()) input[where] = dice.byte();
      break;
    case 2:
      input.insert(input.begin() + signed_of(where), dice.byte());
      break;
    case 3: {  // a piece is lost
      const size_t bytes = dice.below(std::min<size_t>(input.size() - where, 32) + 1);
      input.erase(input.begin() + signed_of(where), input.begin() + signed_of(where + bytes));
      break;
    }
    default: {  // another's tail
      const Contents& other = corpus[dice.below(corpus.size())];
      const size_t from = dice.below(other.size() + 1);
      input.resize(where);
      input.insert(input.end(), other.begin() + signed_of(from), other.end());
    }
  }
}

std::vector<Contents> read_all(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Contents> out;
  for (const fs::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  size_t inputs = 0;
  const std::string_view number = count > 1 ? arguments[1] : "";
  const auto read = std::from_chars(number.data(), number.data() + number.size(), inputs);
  if (count < 3 || read.ptr != number.data() + number.size()) {
    std::fprintf(stderr, "usage: %s INPUTS FILE|FOLDER...\n", arguments[0]);
    return 2;
  }
  const std::vector<Contents> corpus = read_all({arguments + 2, arguments + count});
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus\n", arguments[0]);
    return 1;
  }
  for (const Contents& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  Dice dice;
  for (size_t i = 0; i < inputs; ++i) {
    Contents input = corpus[dice.below(corpus.size())];
    for (size_t bends = 1 + dice.below(4); bends != 0; --bends) bend(dice, corpus, input);
    input.resize(std::min(input.size(), kBytesMax));
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu files, %zu inputs of a fixed seed\n", corpus.size(), inputs);
  return 0;
}
