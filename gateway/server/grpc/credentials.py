"""TLS of the gRPC server, from files that are read again when they change."""

import grpc

from gateway.server.tls import CertificateChain, TlsFiles, WatchedTls


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return what gRPC listens with; a new certificate is used from the next handshake on."""
    watched = WatchedTls(files)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Return a new configuration, or None to go on with the last one; called at each handshake."""
        changed = watched.changed()
        return None if changed is None else _configuration(changed)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(watched.first),
        fetch,  # type: ignore[arg-type]  # None says "no change"; the stub leaves it out.
        require_client_authentication=files.client_ca is not None,
    )


def _configuration(chain: CertificateChain) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(chain.key, chain.cert)], root_certificates=chain.client_ca
    )
