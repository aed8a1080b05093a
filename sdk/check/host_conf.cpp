// warren.host.conf/1 of the fake host: the values of the instance under test.
#include "sdk/check/instance.hpp"

namespace warren::check {

namespace {

template <class T, class Out> wrn_status get(const wrn_conf* conf, const char* name, Out&& out) {
   const auto& all = *reinterpret_cast<const values*>(conf);
   const auto it = all.find(std::string_view(name));
   if (it == all.end()) return WRN_E_NOT_FOUND;
   const T* v = std::get_if<T>(&it->second);
   if (v == nullptr) {
      found(flaw_call, say("configuration: key '", name,
                           "' is read as another type than it was declared with"));
      return WRN_E_INVALID;
   }
   out(*v);
   return WRN_OK;
}

wrn_status WRN_CALL get_bool(const wrn_conf* c, const char* name, uint8_t* out) {
   return get<bool>(c, name, [&](bool v) { *out = v ? 1 : 0; });
}
wrn_status WRN_CALL get_int(const wrn_conf* c, const char* name, int64_t* out) {
   return get<int64_t>(c, name, [&](int64_t v) { *out = v; });
}
wrn_status WRN_CALL get_float(const wrn_conf* c, const char* name, double* out) {
   return get<double>(c, name, [&](double v) { *out = v; });
}
wrn_status WRN_CALL get_str(const wrn_conf* c, const char* name, wrn_str* out) {
   return get<std::string>(c, name, [&](const std::string& v) { *out = {v.data(), v.size()}; });
}
uint32_t WRN_CALL size(const wrn_conf* c, const char* name) {
   uint32_t n = 0;
   get<std::vector<std::string>>(c, name,
                                 [&](const auto& v) { n = static_cast<uint32_t>(v.size()); });
   return n;
}
wrn_status WRN_CALL str_at(const wrn_conf* c, const char* name, uint32_t index, wrn_str* out) {
   wrn_status status = WRN_E_NOT_FOUND;
   get<std::vector<std::string>>(c, name, [&](const auto& v) {
      if (index >= v.size()) return;
      *out = {v[index].data(), v[index].size()};
      status = WRN_OK;
   });
   return status;
}
void WRN_CALL where(const wrn_conf*, const char*, wrn_error* out) {
   out->line = 1;
   out->column = 1;
}

constexpr wrn_host_conf functions{get_bool, get_int, get_float, get_str, size, str_at, where};

} // namespace

extern const host_table conf_table{WRN_HOST_CONF, &functions, nullptr};

} // namespace warren::check
