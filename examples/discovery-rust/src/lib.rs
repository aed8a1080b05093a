//! literal: a discovery that offers the addresses among a peer's configured endpoints and leaves names alone. Its point is the
//! language: a module is a handful of C tables, whatever fills them. `cargo build --release` makes target/release/libliteral.so.
//!
//! It keeps nothing about peers, so there is nothing to forget; all callbacks come on the instance's strand.

mod abi;

use abi::*;
use std::ffi::{c_char, c_void, CStr};
use std::net::{IpAddr, SocketAddr};
use std::ptr::null;

const ID: &CStr = c"org.warren.example.literal";
const DISCOVERY_OF_HOST: &CStr = c"warren.host.discovery/1";

struct Needs([*const c_char; 2]);
unsafe impl Sync for Needs {}
static NEEDS: Needs = Needs([DISCOVERY_OF_HOST.as_ptr(), null()]);

static DESC: Desc = Desc {
    id: ID.as_ptr(),
    name: c"literal".as_ptr(),
    vendor: c"Warren".as_ptr(),
    version: c"0.1.0".as_ptr(),
    license: c"Apache-2.0".as_ptr(),
    summary: c"Offers the addresses among the configured endpoints.".as_ptr(),
    kind: KIND_DISCOVERY,
    reserved: 0,
    caps: CAP_DETERMINISTIC,
    params: null(),
    needs: &NEEDS.0 as *const *const c_char,
    metrics: null(),
};

/// The table first: the host's pointer to it is our pointer to all.
#[repr(C)]
struct Instance {
    plugin: Plugin,
    host: *const Host,
    discovery: *const HostDiscovery,
}

unsafe fn instance<'a>(plugin: *const Plugin) -> &'a mut Instance {
    &mut *((*plugin).data as *mut Instance)
}

/// "plain://192.0.2.1:51820" or "plain://key_…@[2001:db8::1]:51820"
fn parse(text: &str) -> Option<(&str, Addr)> {
    let (transport, rest) = text.split_once("://")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let at: SocketAddr = place.parse().ok()?;
    let mut addr = Addr { family: 4, prefix_len: 32, port: at.port(), scope_id: 0, ip: [0; 16] };
    match at.ip() {
        IpAddr::V4(ip) => addr.ip[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => {
            addr.family = 6;
            addr.prefix_len = 128;
            addr.ip = ip.octets();
        }
    }
    Some((transport, addr))
}

unsafe extern "C" fn on_peer(plugin: *const Plugin, peer: Handle, configured: *const Text, n: u32) {
    let me = instance(plugin);
    let texts = if n == 0 { &[] } else { std::slice::from_raw_parts(configured, n as usize) };
    let places: Vec<Endpoint> = texts
        .iter()
        .filter(|t| t.len > 0)
        .filter_map(|t| std::str::from_utf8(std::slice::from_raw_parts(t.ptr, t.len)).ok())
        .filter_map(parse)
        .take(ENDPOINTS_MAX)
        .map(|(word, addr)| Endpoint { transport: Text { ptr: word.as_ptr(), len: word.len() }, addr })
        .collect();
    ((*me.discovery).offer)(me.host, peer, places.as_ptr(), places.len() as u32);
}

unsafe extern "C" fn on_peer_gone(_: *const Plugin, _: Handle) {}

static DISCOVERY: Discovery = Discovery { on_peer, on_peer_gone, on_unreachable: None };

unsafe extern "C" fn init(plugin: *const Plugin, _error: *mut c_void) -> i32 {
    let me = instance(plugin);
    me.discovery = ((*me.host).get_ext)(me.host, DISCOVERY_OF_HOST.as_ptr()) as *const HostDiscovery;
    if me.discovery.is_null() { E_UNSUPPORTED } else { OK }
}

unsafe extern "C" fn configure(_: *const Plugin, _conf: *const c_void, _error: *mut c_void) -> i32 {
    OK
}

unsafe extern "C" fn start(_: *const Plugin, _error: *mut c_void) -> i32 {
    OK
}

unsafe extern "C" fn drain(_: *const Plugin, _deadline: u64) {}

unsafe extern "C" fn stop(_: *const Plugin) {}

unsafe extern "C" fn destroy(plugin: *const Plugin) {
    drop(Box::from_raw((*plugin).data as *mut Instance));
}

unsafe extern "C" fn get_ext(_: *const Plugin, id: *const c_char) -> *const c_void {
    if CStr::from_ptr(id) == c"warren.discovery/1" {
        return &DISCOVERY as *const Discovery as *const c_void;
    }
    null()
}

unsafe extern "C" fn on_timer(_: *const Plugin, _: Handle, _: u64) {}

extern "C" fn count() -> u32 {
    1
}

extern "C" fn desc(index: u32) -> *const Desc {
    if index == 0 { &DESC } else { null() }
}

unsafe extern "C" fn create(host: *const Host, id: *const c_char) -> *const Plugin {
    if CStr::from_ptr(id) != ID {
        return null();
    }
    let me = Box::into_raw(Box::new(Instance {
        plugin: Plugin {
            desc: &DESC,
            data: std::ptr::null_mut(),
            init,
            configure,
            start,
            drain,
            stop,
            destroy,
            get_ext,
            on_timer,
            on_event: None,
        },
        host,
        discovery: null(),
    }));
    (*me).plugin.data = me as *mut c_void;
    &(*me).plugin
}

static FACTORY: Factory = Factory { count, desc, create };

extern "C" fn module_init(_path: *const c_char) -> i32 {
    OK
}

extern "C" fn module_deinit() {}

unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    if CStr::from_ptr(id) == c"warren.factory/1" {
        return &FACTORY as *const Factory as *const c_void;
    }
    null()
}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static wrn_entry_0: Entry =
    Entry { abi_major: ABI_MAJOR, abi_minor: ABI_MINOR, init: module_init, deinit: module_deinit, get_factory };
