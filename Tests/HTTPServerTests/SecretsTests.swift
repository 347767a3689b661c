import Foundation
import HTTPConnection
import Logging
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import HTTPServer

/// Keys and certificates that change while the server runs.
@Suite struct SecretsTests {
  private let folder = TemporaryFolder()
  let model = TestModel.plain

  /// Those of these keys that open the server.
  private func known(_ keys: [String], _ server: TestServer) async throws -> [String] {
    var known: [String] = []
    for key in keys where try await server.get("/v1/models", headers: ["Authorization: Bearer \(key)"]).status == 200 {
      known.append(key)
    }
    return known
  }

  @Test func keysAreReadAgainOnRequest() async throws {
    let file = folder.write("first\n", as: "keys")
    let lines = RequestLogTests.Lines()
    try await TestServer.run(
      model.engine(answering: " x"),
      configure: {
        ($0.keyFile, $0.keys, $0.limits.reloadTime) = (file, APIKeys(["fixed"]), .seconds(3600))
        $0.logger = lines.logger(.text)
      }
    ) { server async throws in
      let all = ["first", "second", "fixed"]
      #expect(try await known(all, server) == ["first", "fixed"])
      _ = folder.write("second\n", as: "keys")
      #expect(try await known(all, server) == ["first", "fixed"])
      server.modelServer.reload()
      #expect(try await known(all, server) == ["second", "fixed"])
      _ = folder.write("not good\n", as: "keys")
      server.modelServer.reload()
      #expect(try await known(all, server) == ["second", "fixed"], "a broken file leaves the old keys")
      #expect(
        lines.all.contains { $0.contains("error martinet: not reloaded") && $0.contains(file) && $0.contains("line 1") }
      )
      let page = try await server.get("/metrics", headers: ["Authorization: Bearer fixed"]).text
      #expect(page.contains(#"martinet_reloads_total{what="api_keys",outcome="failure"} 1"#))
      #expect(page.contains(#"martinet_reloads_total{what="api_keys",outcome="success"} 1"#))
    }
  }

  @Test func aChangedFileIsNoticed() async throws {
    let file = folder.write("first\n", as: "keys")
    try await TestServer.run(
      model.engine(answering: " x"), configure: { ($0.keyFile, $0.limits.reloadTime) = (file, .milliseconds(50)) }
    ) { server async throws in
      // As Kubernetes does it: another file of that name.
      let next = folder.write("second\n", as: "next")
      #expect(rename(next, file) == 0)
      let counts = server.modelServer.metrics
      try await server.eventually("the new keys are not read") { counts.current.reloads.values.contains(1) }
      #expect(try await known(["first", "second"], server) == ["second"])
      try FileManager.default.removeItem(atPath: file)
      let failure = ServerMetrics.Reload(what: "api_keys", isSuccess: false)
      try await server.eventually("the loss is not noticed") { counts.current.reloads[failure] == 1 }
      #expect(try await known(["first", "second"], server) == ["second"], "the old keys stay")
    }
  }

  @Test func aNewCertificateServesNewConnectionsAndEndsNoOldOnes() async throws {
    let certificate = folder.write(TLSTests.certificate, as: "a.crt")
    let key = folder.write(TLSTests.key, as: "a.key")
    try await TestServer.run(
      model.engine(answering: " x"),
      configure: {
        ($0.tls, $0.limits.reloadTime) = (TLSFiles(certificate: certificate, key: key), .seconds(3600))
        $0.logger.logLevel = .critical
      }
    ) { server async throws in
      func present() async throws -> NIOSSLCertificate? {
        let seen = Mutex<NIOSSLCertificate?>(nil)
        let answer = try await TLSTests.get("/v1/models", port: server.port) { certificate in
          seen.withLock { $0 = certificate }
        }
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        return seen.withLock { $0 }
      }
      let old = try NIOSSLCertificate(bytes: Array(TLSTests.certificate.utf8), format: .pem)
      let new = try NIOSSLCertificate(bytes: Array(TestCertificates.otherCertificate.utf8), format: .pem)
      #expect(try await present() == old)
      _ = folder.write(TestCertificates.otherCertificate, as: "a.crt")
      server.modelServer.reload()
      #expect(try await present() == old, "the key is not yet that of the new one")
      _ = folder.write(TestCertificates.otherKey, as: "a.key")
      server.modelServer.reload()
      #expect(try await present() == new)
      #expect(server.modelServer.secrets.certificateExpiry == Int(new.notValidAfter))
    }
  }
}
