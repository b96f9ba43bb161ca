//! The command lines of `vmrun explain` and `vmrun schema`.

use clap::Args;

/// `vmrun explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun explain                   the tables\n  \
                        vmrun explain cpu               its keys\n  \
                        vmrun explain cpu.hide_kvm      all about one\n\n\
                        Editors complete and explain keys with the output of `vmrun schema`.\n\
                        Exit status: 0; 2 when there is no such table or key.")]
pub struct Explain {
    /// A table or a key, like `cpu` or `cpu.model`; without it all tables
    #[arg(value_name = "TABLE[.KEY]")]
    pub path: Option<String>,
}

/// `vmrun why`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vmrun why               all there is to explain\n  \
                        vmrun why error-43\n\n\
                        Exit status: 0; 2 when nothing has that id.")]
pub struct Why {
    /// What `vmrun check` or the list names, like `error-43`
    #[arg(value_name = "ID")]
    pub id: Option<String>,
}

/// Said below `vmrun help schema`.
pub(super) const SCHEMA_HELP: &str = "Example:\n  vmrun schema > ~/.config/vmrun.schema.json\n\n\
                           With this first line in a profile, editors that know taplo (Even Better TOML)\n\
                           complete and explain its keys:\n  #:schema ../.config/vmrun.schema.json";
