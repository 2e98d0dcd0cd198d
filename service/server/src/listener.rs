//! Taking a port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::ServiceError;

/// Connections that the kernel holds while they wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on `address`, which for `[::]` takes IPv4 too. Where there is no IPv6, `[::]` becomes `0.0.0.0`, so one
/// default fits every pod network.
pub(crate) fn bind(
    listener: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, ServiceError> {
    let bound = match open(address) {
        Err(error) if is_any_v6(address) && lacks_v6(&error) => {
            open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    };
    bound
        .and_then(TcpListener::from_std)
        .map_err(|source| ServiceError::Listen {
            listener,
            address,
            source,
        })
}

fn open(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if is_any_v6(address) {
        // Said out loud, since a node may have net.ipv6.bindv6only set.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_any_v6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// Whether IPv6 is compiled out or switched off.
fn lacks_v6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT)
        || matches!(
            error.kind(),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
        )
}
