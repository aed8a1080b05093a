#!/usr/bin/env bash
# Goal: the files in configs/ are what the program prints, and load without a complaint.
set -euo pipefail
warren=$1 configs=$2
diff <("$warren" config example daemon) "$configs/warren.toml"
diff <("$warren" config example network) "$configs/networks/example.toml"
"$warren" config check --config "$configs/warren.toml"
