//! Forgets to name the library: its handlers are not linked, and the program must not start without any.

kiket::main!();
