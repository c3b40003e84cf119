//! TOML to a validated plan.
