# Shortcuts. Everything here also works without `just`.

# Run the service: nothing to configure, state in ./keystead-dev
dev *args:
    cargo run -- dev {{args}}

# All set-up, every test, the architecture check
test *filter:
    cargo xtask test -- {{filter}}

# PostgreSQL, Redis and a Redis Cluster for tests until Control-C, and the variables that point tests at them
servers:
    cargo run --package keystead-test-servers

# Release binary beside a bare actix-web server and the raw Argon2 rate
bench *args:
    cargo xtask bench {{args}}

# The long forms of the guarantees
prove *args:
    cargo xtask prove {{args}}

# Dependencies point inwards
arch:
    cargo xtask arch

# What everything is built from: licences, sources, versions
supply:
    cargo xtask supply

# Format everything
fmt:
    cargo fmt --all

# Clippy with warnings denied
lint:
    cargo clippy --workspace --all-targets -- -D warnings
