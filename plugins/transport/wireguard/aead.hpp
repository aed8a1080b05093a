#pragma once
// ChaCha20-Poly1305 as WireGuard data messages use it (nonce = 4 zero bytes and the counter, no
// associated data), in place and in batches, behind one interface with three implementations. A
// backend and its keys belong to one engine and one thread at a time; separate backends never share
// mutable state.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace warren::wireguard {

inline constexpr size_t tag_size = 16;
inline constexpr size_t batch_max = 128;

struct aead_job {
   uint8_t* data;    // plaintext or ciphertext; the tag sits at data + len
   uint32_t len;     // of the plaintext
   uint64_t counter; // the nonce
   bool ok;          // out. A failed open leaves undefined bytes behind, which must not be used
};

// One key. Wipes itself on destruction. Must not outlive its backend. Never allocates in seal() or
// open().
class aead_key {
 public:
   virtual ~aead_key() = default;
   virtual void seal(std::span<aead_job> jobs) noexcept = 0;
   virtual void open(std::span<aead_job> jobs) noexcept = 0;
};

class aead_backend {
 public:
   virtual ~aead_backend() = default;
   virtual std::string_view name() const noexcept = 0; // "ipsec-mb", "openssl", "libsodium"
   virtual std::unique_ptr<aead_key> make_key(std::span<const uint8_t, 32> key) = 0;
};

// A fresh instance of each backend that is in this build and works on this machine: each has just
// sealed and opened a known vector and refused a damaged one.
std::vector<std::unique_ptr<aead_backend>> aead_backends();

// A fresh instance by name; null when it is unknown, not built in, or fails its vector.
std::unique_ptr<aead_backend> find_aead(std::string_view name);

// Seals batches of 1420-byte packets with each in turn, a few milliseconds in all, and returns the
// one with the fastest batch; `now_ns` is a monotonic clock. Null only if no backend works at all.
std::unique_ptr<aead_backend> fastest_aead(const std::function<uint64_t()>& now_ns);

} // namespace warren::wireguard
