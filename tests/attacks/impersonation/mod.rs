//! I01 to I04: whom an administrator may act as, what they may not do as somebody else, how long it lasts, and who is told.

mod acts;
mod ends;
mod told;
