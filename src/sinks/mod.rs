//! Packets to the outside.
