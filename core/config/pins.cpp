// [plugins.sha256] of warren.toml: what modules have to be.
#include "core/config/reader.hpp"
#include "core/crypto/digest.hpp"

namespace warren::config {

namespace fs = std::filesystem;

void read_pins(const toml::table& table, daemon& d, error_list& errors) {
   for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const fs::path path(name);
      if (path.empty() || path.extension() != ".so" ||
          (name.find('/') != std::string::npos &&
           (!path.is_absolute() || path.lexically_normal() != path)))
         errors.add(key.source(), "\"" + name +
                                        "\" in [plugins.sha256] names no module; expected a file's "
                                        "name such as \"acme.so\", or its absolute path");
      const auto text = node.value_exact<std::string>();
      const auto digest = text ? crypto::parse_hex(*text) : std::nullopt;
      if (digest)
         d.plugin_pins[name] = *digest;
      else
         errors.add(node.source(), "the pin of \"" + name +
                                         "\" is no SHA-256; expected 64 hexadecimal digits in "
                                         "quotes, as 'sha256sum' prints them");
   }
}

} // namespace warren::config
