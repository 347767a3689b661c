import HTTPConnection
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport
import Testing

@testable import Coordinator

@Suite struct TLSTests {
  /// Made for these tests, for `localhost`; valid for a hundred years.
  private static let certificate = """
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
  private static let key = """
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
    #expect(try good.configuration().minimumTLSVersion == .tlsv12)
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

  @Test func filesThatCannotBeUsedAreNamed() throws {
    let swapped = files("swapped", certificate: Self.key, key: Self.certificate)
    #expect { try swapped.configuration() } throws: { "\($0)".contains(swapped.certificate) }
    let half = files("half", certificate: Self.certificate, key: "no key")
    #expect { try half.configuration() } throws: { "\($0)".contains(half.key) }
    let missing = TLSFiles(certificate: "/dev/null/a.crt", key: "/dev/null/a.key")
    #expect { try missing.configuration() } throws: { "\($0)".contains("/dev/null/a.crt") }
  }

  /// What the server answers, to a client that does not check its certificate.
  private static func get(_ path: String, port: Int) async throws -> String {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    let context = try NIOSSLContext(configuration: configuration)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(
      host: "127.0.0.1", port: port
    ) { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
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
