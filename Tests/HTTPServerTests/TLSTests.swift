import Foundation
import HTTPConnection
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport
import Testing

@testable import HTTPServer

@Suite struct TLSTests {
  /// Made for these tests, for `localhost`; valid for a hundred years.
  static let certificate = """
    -----BEGIN CERTIFICATE-----
    MIIBfzCCASWgAwIBAgIUW7wlWSiJkGl64wlkaLmv1yXKicwwCgYIKoZIzj0EAwIw
    FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTE5MDQ1MloYDzIxMjYxMTAx
    MTkwNDUyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
    PQMBBwNCAASKsKB43BY3qAkLvUgQy6msgVQmD7+Gv4Q9BjzatU/0ha8fhJAhwCJH
    WYdrwWQESNiiPyZlemrdxnYwtJK227N1o1MwUTAdBgNVHQ4EFgQUbjFr8n0zuM7T
    YWB3q3B+/IHddxUwHwYDVR0jBBgwFoAUbjFr8n0zuM7TYWB3q3B+/IHddxUwDwYD
    VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAwgctrB7q+BxKqsa/BKj1h
    bJWM4kQNkvrg6LSzhjxfoQIhAMCZ1sy5z5t2MbS/3qDBtouMS2k0lLTUyS8uC/NE
    /8e7
    -----END CERTIFICATE-----
    """
  static let key = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/Bx5Rq5OlvhzzejF
    Wp+0MxOaXWQ9JvPFblsuO4mkOE+hRANCAASKsKB43BY3qAkLvUgQy6msgVQmD7+G
    v4Q9BjzatU/0ha8fhJAhwCJHWYdrwWQESNiiPyZlemrdxnYwtJK227N1
    -----END PRIVATE KEY-----
    """

  private let folder = TemporaryFolder()

  private func files(_ name: String, certificate: String, key: String) -> TLSFiles {
    TLSFiles(
      certificate: folder.write(certificate, as: name + ".crt"), key: folder.write(key, as: name + ".key"))
  }

  @Test func requestsAreServedOverTLSOnly() async throws {
    let good = files("good", certificate: Self.certificate, key: Self.key)
    #expect(try TLSCredentials(good).configuration().minimumTLSVersion == .tlsv12)
    try await TestServer.run(TestModel.plain.engine(answering: " there"), configure: { $0.tls = good }) { server in
      let answer = try await Self.get("/v1/models", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 200") && answer.contains("demo"))
      let plain = try await onThread { [port = server.port] in
        let connection = try Connection(port: port)
        try connection.sendRequest("GET", "/health")
        return connection.isClosedByServer()
      }
      #expect(plain, "what does not speak TLS gets no answer")
    }
  }

  /// The limit of idle connections holds, however steadily the bytes of a handshake drip.
  @Test func aHandshakeThatDripsIsEnded() async throws {
    let good = files("good", certificate: Self.certificate, key: Self.key)
    try await TestServer.run(
      TestModel.plain.engine(answering: " x"),
      configure: {
        $0.tls = good
        $0.limits.idleTime = .milliseconds(500)
      }
    ) { server in
      let port = server.port
      let isEnded = try await onThread { () throws -> Bool in
        let connection = try Connection(port: port)
        // A record of 512 bytes, with a greeting (RFC 8446, sections 4 and 5.1) that never ends.
        try connection.send([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])
        return eventually(within: 120) {
          usleep(50_000)
          do { try connection.send([0]) } catch { return true }
          return false
        }
      }
      #expect(isEnded)
      try await server.eventually("its place is not given back") { server.modelServer.connections.open == 0 }
    }
  }

  /// Each of these files is named, with what is wrong with it.
  @Test func filesThatCannotBeUsedAreNamed() throws {
    func fault(_ files: TLSFiles, now: Int = 1_900_000_000) -> String {
      do { _ = try TLSCredentials(files, now: now) } catch { return "\(error)" }
      return "none"
    }
    let good = files("good", certificate: Self.certificate, key: Self.key)
    let swapped = files("swapped", certificate: Self.key, key: Self.certificate)
    #expect(fault(swapped).contains(swapped.certificate) && fault(swapped).contains("swapped?"))
    let half = files("half", certificate: Self.certificate, key: "no key")
    #expect(fault(half).contains("\(half.key) for TLS: it has no private key"))
    let missing = TLSFiles(certificate: folder.file("none.crt"), key: good.key)
    #expect(fault(missing).contains("\(missing.certificate) for TLS: it is not there"))
    let keyless = TLSFiles(certificate: good.certificate, key: folder.file("none.key"))
    #expect(fault(keyless).contains("\(keyless.key) for TLS: it is not there"))
    let foreign = files("foreign", certificate: Self.certificate, key: TestCertificates.otherKey)
    #expect(
      fault(foreign).contains(foreign.key)
        && fault(foreign).contains("not that of the certificate in \(foreign.certificate)"))
    let locked = files("locked", certificate: Self.certificate, key: TestCertificates.encryptedKey)
    #expect(
      fault(locked).contains(locked.key) && fault(locked).contains("encrypted")
        && fault(locked).contains("openssl pkey"))
    #expect(
      fault(good, now: 5_000_000_000).contains("\(good.certificate) for TLS: the certificate has expired on 2126-11-01")
    )
    #expect(fault(good, now: 0).contains("valid from 2026-11-25"))
    let folderAsFile = TLSFiles(certificate: folder.path, key: good.key)
    #expect(fault(folderAsFile).contains("it is no file"))
    let damaged = files("damaged", certificate: Self.certificate.replacing("MIIB", with: "AAAA"), key: Self.key)
    #expect(fault(damaged).contains("\(damaged.certificate) for TLS: its certificate is damaged"))
  }

  /// What the server answers, to a client that does not check its certificate.
  static func get(
    _ path: String, port: Int, onCertificate: @escaping @Sendable (NIOSSLCertificate) -> Void = { _ in }
  ) async throws -> String {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .noHostnameVerification
    let context = try NIOSSLContext(configuration: configuration)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.minutes(10))
      .connect(
        host: "127.0.0.1", port: port
      ) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            NIOSSLClientHandler(
              context: context, serverHostname: nil,
              customVerificationCallback: { chain, promise in
                if let first = chain.first { onCertificate(first) }
                promise.succeed(.certificateVerified)
              }))
          return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      try await outbound.write(ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n"))
      var text = ""
      for try await part in inbound {
        text += String(buffer: part)
        if text.contains("\r\n\r\n"), text.contains("owned_by") { break }
      }
      return text
    }
  }
}
