//! Packet to packet.
