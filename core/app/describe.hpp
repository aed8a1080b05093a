// The command tree described for shells and for man(1), always from the tree itself. Values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace warren::app {

struct option_info {
   std::vector<std::string> names; // "--count", "-c"; a positional has its own name alone
   std::string value;              // "N"; empty for a flag
   std::string help;
   std::string standard; // default, as text
   std::vector<std::string> choices;
   bool positional = false;
   bool required = false;
};

struct command_info {
   std::string path; // "warren peer list"
   std::string name; // "list"
   std::string help;
   std::vector<option_info> options;
   std::vector<std::string> commands; // names of the commands below it
};

/// The tree in order, `root` first.
std::vector<command_info> describe(const CLI::App& root);

/// A completion script for "bash", "zsh" or "fish".
std::string completion_script(const std::vector<command_info>& commands, std::string_view shell);

/// warren(1) in roff (man(7)).
std::string man_page(const std::vector<command_info>& commands, std::string_view version);

/// What the exit codes mean, in order from 0; the same for every command.
const std::vector<std::string_view>& exit_code_texts();

} // namespace warren::app
