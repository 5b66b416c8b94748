#include "interrupt.h"

#include <csignal>

namespace {

volatile std::sig_atomic_t asked_to_end = 0;

// The second one ends the process at once, should the good order take too long.
void on_signal(int) { asked_to_end = 1; }

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESETHAND;  // and no SA_RESTART: poll() and read() return at once
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

EndsAtOnce::EndsAtOnce() {
  // One that came before this, and was not looked at yet, asked the same.
  if (interrupted()) return;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

EndsAtOnce::~EndsAtOnce() {
  if (!interrupted()) install_interrupt_handler();
}

bool interrupted() { return asked_to_end != 0; }
