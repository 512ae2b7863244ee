//! People are rung until a key is pressed, and told by message, each once. What
//! their telephones, the trunk and the gateway wrote down is the judge; what the
//! plan says must agree with it.

mod basin;
mod died;
mod stubborn;
mod turns;
mod village;
