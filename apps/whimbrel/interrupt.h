// Ctrl-C and SIGTERM ask a command to end in good order: to close its sessions and say so.
#pragma once

// Also ignores SIGPIPE, so that a closed pipe is a write error that can be reported.
void install_interrupt_handler();
bool interrupted();

// While nothing is there that could be closed, and what goes on may take long (a host is looked
// up): they end the process at once.
class EndsAtOnce {
 public:
  EndsAtOnce();
  ~EndsAtOnce();
  EndsAtOnce(const EndsAtOnce&) = delete;
  EndsAtOnce& operator=(const EndsAtOnce&) = delete;
};
