// `whimbrel`: the command line tool.
#include "command_line.h"
#include "interrupt.h"

int main(int argc, char** argv) {
  install_interrupt_handler();
  return run_command_line(argc, argv);
}
