//! File operations shared by save, restore and export: file identity, ownership of leftovers, and renames that survive a power failure.

mod careful_walk;
pub(crate) mod compressed_name;
pub(crate) mod directory;
pub(crate) mod directory_sync;
pub(crate) mod early_flush;
pub(crate) mod file_identity;
pub(crate) mod leftover;
mod named_stream;
pub(crate) mod new_directory;
mod not_an_input;
pub(crate) mod other_users;
pub(crate) mod output_directory;
pub(crate) mod output_error;
pub(crate) mod output_stream;
pub(crate) mod output_target;
pub(crate) mod parent_directories;
pub(crate) mod part_file;
pub(crate) mod part_file_error;
pub(crate) mod part_leftovers;
pub(crate) mod remove_tree;
pub(crate) mod waitless_open;
pub(crate) mod work_directory;
