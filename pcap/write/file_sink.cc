#include "pcap/write/file_sink.hh"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace dashi {
namespace {

std::string message(const std::string& path) {
  return path + ": " + std::generic_category().message(errno);
}

}  // namespace

Result<std::unique_ptr<FileSink>, std::string> FileSink::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return message(path);
  return std::unique_ptr<FileSink>(new FileSink(file, path));
}

void FileSink::latch_error() {
  if (error_.empty()) error_ = message(path_);
}

void FileSink::put(Bytes bytes) {
  if (!error_.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) latch_error();
}

void FileSink::flush() {
  if (error_.empty() && std::fflush(file_.get()) != 0) latch_error();
}

}  // namespace dashi
