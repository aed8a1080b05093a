// Runs the tests in a network namespace of this process: nothing outside is touched, and it goes
// with the process.
#include "core/base/log.hpp"
#include "core/io/netlink.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

int main(int argc, char** argv) {
   testing::InitGoogleTest(&argc, argv);
   if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
      std::puts("skipped: needs root, network namespaces and /dev/net/tun");
      return 77;
   }
   auto netlink = warren::io::netlink_socket::open();
   if (!netlink || !(*netlink)->set_up(1, true)) { // lo is always the first
      std::puts("cannot set up the loopback device");
      return 1;
   }
   warren::base::log::set_threshold(warren::base::log::level::error);
   return RUN_ALL_TESTS();
}
