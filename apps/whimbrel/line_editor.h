// The line that a person types on a terminal, and can correct there while other lines are written
// above it.
#pragma once

#include <memory>
#include <optional>
#include <string>

class LineEditor {
 public:
  // Whether standard input and output are a terminal on which a line can be edited.
  static bool possible();

  // Takes the terminal over; the destructor gives it back. One at a time.
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Takes what was typed; standard input must be ready to be read.
  void read_some();
  // The next whole line, without its end.
  std::optional<std::string> next();
  // Ctrl-D on an empty line, or the terminal is gone.
  bool ended() const;

  // Takes the line off the screen, so that something can be written there, and puts it below that
  // again.
  void hide();
  void show();
  // What signals have asked for: the new size of the window, Ctrl-Z.
  void obey_signals();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};
