# Shortcuts. Everything here also works without `just`.

# Run the service: nothing to configure, state in ./keystead-dev
dev *args:
    cargo run -- dev {{args}}

# All set-up, every test, the architecture check
test *filter:
    cargo xtask test -- {{filter}}

# Release binary beside a bare actix-web server and the raw Argon2 rate
bench *args:
    cargo xtask bench {{args}}

# The long forms of the guarantees
prove *args:
    cargo xtask prove {{args}}

# Dependencies point inwards
arch:
    cargo xtask arch

# Format everything
fmt:
    cargo fmt --all

# Clippy with warnings denied
lint:
    cargo clippy --workspace --all-targets -- -D warnings
