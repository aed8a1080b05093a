// `warren`: daemon and command line in one program.
#include "core/app/cli.hpp"
#include "core/app/daemon.hpp"

int main(int argc, char** argv) {
   warren::app::command_hooks hooks;
   hooks.run = warren::app::run_daemon;
   return warren::app::run_command_line(argc, argv, hooks);
}
