// A file that captures are written to. Buffered: what was put is in the file after flush() or when
// the sink ends.
//
// A full disk must not take the network down: the first error is latched, what follows is dropped,
// and error() says so to whoever asks.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "core/base/archive.hh"
#include "core/base/result.hh"

namespace dashi {

class FileSink : public Sink {
 public:
  // Makes or truncates the file; the error is a line for people that names the file.
  static Result<std::unique_ptr<FileSink>, std::string> create(const std::string& path);

  void put(Bytes bytes) override;
  void flush();
  // Empty while all is well.
  const std::string& error() const { return error_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
  };

  FileSink(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}
  void latch_error();

  std::unique_ptr<std::FILE, Close> file_;
  std::string path_;
  std::string error_;  // set at the first failure, for ever
};

}  // namespace dashi
