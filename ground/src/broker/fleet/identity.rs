//! How clients prove who they are.

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Identity {
    /// By a password, made here; one file each in DIR/passwords
    Passwords,
    /// By a certificate of your own authority, whose common name (CN) is the client's name
    Certificates,
}
