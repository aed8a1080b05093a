//! The part of plugin ABI 0.2 that a discovery needs, as in the C headers: plugin.h, ext/discovery.h.
//! Tables of the host are declared as far as they are used; they come by pointer, so that is enough.
#![allow(dead_code)]

use std::ffi::{c_char, c_void};

pub const ABI_MAJOR: u32 = 0;
pub const ABI_MINOR: u32 = 2;
pub const OK: i32 = 0;
pub const E_UNSUPPORTED: i32 = -3;
pub const KIND_DISCOVERY: u32 = 2;
pub const CAP_DETERMINISTIC: u64 = 1;
pub const ENDPOINTS_MAX: usize = 16; // what the host takes for a peer

pub type Handle = u64;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    pub ptr: *const u8,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Addr {
    pub family: u8, // 4 or 6
    pub prefix_len: u8,
    pub port: u16,
    pub scope_id: u32,
    pub ip: [u8; 16],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Endpoint {
    pub transport: Text,
    pub addr: Addr,
}

#[repr(C)]
pub struct Host {
    pub abi_major: u32,
    pub abi_minor: u32,
    pub data: *mut c_void,
    pub name: *const c_char,
    pub version: *const c_char,
    pub get_ext: unsafe extern "C" fn(*const Host, *const c_char) -> *const c_void,
    // clock, timers, packets, log: not used here
}

#[repr(C)]
pub struct HostDiscovery {
    pub offer: unsafe extern "C" fn(*const Host, Handle, *const Endpoint, u32) -> i32,
}

#[repr(C)]
pub struct Desc {
    pub id: *const c_char,
    pub name: *const c_char,
    pub vendor: *const c_char,
    pub version: *const c_char,
    pub license: *const c_char,
    pub summary: *const c_char,
    pub kind: u32,
    pub reserved: u32,
    pub caps: u64,
    pub params: *const c_void,
    pub needs: *const *const c_char,
    pub metrics: *const c_void,
}

#[repr(C)]
pub struct Plugin {
    pub desc: *const Desc,
    pub data: *mut c_void,
    pub init: unsafe extern "C" fn(*const Plugin, *mut c_void) -> i32,
    pub configure: unsafe extern "C" fn(*const Plugin, *const c_void, *mut c_void) -> i32,
    pub start: unsafe extern "C" fn(*const Plugin, *mut c_void) -> i32,
    pub drain: unsafe extern "C" fn(*const Plugin, u64),
    pub stop: unsafe extern "C" fn(*const Plugin),
    pub destroy: unsafe extern "C" fn(*const Plugin),
    pub get_ext: unsafe extern "C" fn(*const Plugin, *const c_char) -> *const c_void,
    pub on_timer: unsafe extern "C" fn(*const Plugin, Handle, u64),
    pub on_event: Option<unsafe extern "C" fn(*const Plugin, *const c_void)>,
}

#[repr(C)]
pub struct Discovery {
    pub on_peer: unsafe extern "C" fn(*const Plugin, Handle, *const Text, u32),
    pub on_peer_gone: unsafe extern "C" fn(*const Plugin, Handle),
    pub on_unreachable: Option<unsafe extern "C" fn(*const Plugin, Handle)>,
}

#[repr(C)]
pub struct Factory {
    pub count: extern "C" fn() -> u32,
    pub desc: extern "C" fn(u32) -> *const Desc,
    pub create: unsafe extern "C" fn(*const Host, *const c_char) -> *const Plugin,
}

#[repr(C)]
pub struct Entry {
    pub abi_major: u32,
    pub abi_minor: u32,
    pub init: extern "C" fn(*const c_char) -> i32,
    pub deinit: extern "C" fn(),
    pub get_factory: unsafe extern "C" fn(*const c_char) -> *const c_void,
}

// Static data of the module: read only, for ever.
unsafe impl Sync for Desc {}
unsafe impl Sync for Factory {}
unsafe impl Sync for Entry {}
