// `whimbrel`: the command line tool.
#include "command_line.h"
#include "interrupt.h"
#include "standard_files.h"

int main(int argc, char** argv) {
  fill_standard_files();
  install_interrupt_handler();
  return run_command_line(argc, argv);
}
