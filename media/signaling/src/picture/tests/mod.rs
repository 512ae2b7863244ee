//! Stories of a picture on its way over a satellite, in seeded virtual time.

mod hostile;
mod ladder;
mod road;
mod sending;
