import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

/// Pages of other sites, and names that lead here.
@Suite struct BrowserTests {
  let model = TestModel.plain

  private static let foreign = ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"]

  @Test func aForeignPageReachesNoRoute() async throws {
    let engine = model.engine(answering: " x")
    try await TestServer.run(engine) { server async throws in
      for route in Route.allCases {
        let method = route.takesPost ? "POST" : "GET"
        let body = route.takesPost ? TestServer.bytes(["prompt": "a", "tokens": [5]]) : nil
        for headers in [
          Self.foreign, ["Origin: http://evil.example"], ["Sec-Fetch-Site: cross-site"], ["Origin: null"],
        ] {
          let reply = try await server.request(
            method, route.rawValue, headers: headers + ["Content-Type: text/plain"], body: body)
          #expect(reply.status == 403 && reply.text.contains("may not use this server"), "\(route) \(headers)")
          #expect(reply.headers["access-control-allow-origin"] == nil)
        }
      }
      let preflight = try await server.request(
        "OPTIONS", "/v1/completions", headers: ["Origin: http://evil.example", "Access-Control-Request-Method: POST"])
      #expect(preflight.status == 403 && preflight.headers["access-control-allow-methods"] == nil)
      #expect(try await server.get("/nothing", headers: Self.foreign).status == 403)
    }
    #expect(engine.submitted.isEmpty)
  }

  @Test func thePageAndClientsThatAreNoBrowsersAreServed() async throws {
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let own = "Origin: http://localhost:\(server.port)"
      let host = "localhost:\(server.port)"
      for headers in [
        [own, "Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"], ["Sec-Fetch-Site: same-origin"], [],
      ] {
        #expect(try await server.get("/cluster", headers: headers).status == 200, "\(headers)")
      }
      // As without `Sec-Fetch-Site`, from a page that did not come over TLS.
      #expect(try await status(server, host: host, [own]) == 200)
      #expect(
        try await status(server, host: host, ["Origin: http://localhost:1"]) == 403, "another port is another page")
      #expect(try await status(server, host: host, ["Origin: http://localhost:1", "Sec-Fetch-Site: same-site"]) == 403)
    }
  }

  @Test func aLinkElsewhereLeadsToThePageOnly() async throws {
    try await TestServer.run(model.engine(answering: " x")) { server async throws in
      let visit = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]
      #expect(try await server.get("/", headers: visit).status == 200)
      #expect(try await server.get("/cluster", headers: visit).status == 403)
      let frame = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"]
      #expect(try await server.get("/", headers: frame).status == 403)
    }
  }

  /// The status of `GET /cluster`.
  private func status(_ server: TestServer, host: String?, _ headers: [String] = []) async throws -> Int {
    let port = server.port
    return try await onThread {
      let connection = try Connection(port: port)
      let lines = (host.map { ["Host: \($0)"] } ?? []) + headers
      try connection.send("GET /cluster HTTP/1.1\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n")
      return try connection.readReply().status
    }
  }

  @Test func aNameThatWasMadeToLeadHereIsRefused() async throws {
    try await TestServer.run(
      model.engine(answering: " x"), configure: { $0.allowedHosts = ["chat.example.org", ".intra.example"] }
    ) {
      server async throws in
      for host in [
        "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "user@localhost",
        "[::1", "1.2.3",
        "intra.example", "evilintra.example", "", "localhost:x",
      ] { #expect(try await status(server, host: host) == 403, "\(host)") }
      for host in [
        "localhost", "LOCALHOST:8000", "localhost.", "a.localhost", "127.0.0.1", "127.0.0.1:80", "10.1.2.3:8000",
        "[::1]:8000",
        "[2001:db8::1]", "chat.example.org", "Chat.Example.Org:443", "a.intra.example",
      ] { #expect(try await status(server, host: host) == 200, "\(host)") }
      #expect(try await status(server, host: nil) == 400)
      #expect(try await status(server, host: "localhost", ["Host: evil.example"]) == 400)
      #expect(try await status(server, host: "evil.example", ["Sec-Fetch-Site: same-origin"]) == 403)
    }
  }

  @Test func withKeysTheNameDoesNotMatterUnlessOneIsGiven() async throws {
    let key = ["Authorization: Bearer secret"]
    try await TestServer.run(model.engine(answering: " x"), configure: { $0.keys = APIKeys(["secret"]) }) {
      server async throws in
      #expect(try await status(server, host: "chat.example.org", key) == 200)
      #expect(try await status(server, host: "chat.example.org") == 401)
      #expect(try await status(server, host: "chat.example.org", key + ["Origin: https://evil.example"]) == 403)
      // A proxy that ends TLS, and one that gives its own name for this server.
      #expect(try await status(server, host: "chat.example.org", key + ["Origin: https://chat.example.org"]) == 200)
      let named = ["Origin: https://chat.example.org", "Sec-Fetch-Site: same-origin"]
      #expect(try await status(server, host: "backend", key + named) == 200)
    }
    try await TestServer.run(
      model.engine(answering: " x"),
      configure: {
        $0.keys = APIKeys(["secret"])
        $0.allowedHosts = ["chat.example.org"]
      }
    ) { server async throws in
      #expect(try await status(server, host: "chat.example.org", key) == 200)
      #expect(try await status(server, host: "evil.example", key) == 403)
    }
  }

  @Test func allowedPagesAreServedAndMayRead() async throws {
    try await TestServer.run(
      model.engine(answering: " x"), configure: { $0.allowedOrigins = ["https://page.example", "app://notes"] }
    ) { server async throws in
      for origin in ["https://page.example", "https://page.example:443", "app://notes"] {
        let reply = try await server.get("/cluster", headers: ["Origin: \(origin)", "Sec-Fetch-Site: cross-site"])
        #expect(
          reply.status == 200 && reply.headers["access-control-allow-origin"] == origin
            && reply.headers["vary"] == "Origin")
      }
      for origin in ["http://page.example", "https://page.example.evil.example", "https://page.example:8443", "null"] {
        let reply = try await server.get("/cluster", headers: ["Origin: \(origin)", "Sec-Fetch-Site: cross-site"])
        #expect(reply.status == 403 && reply.headers["access-control-allow-origin"] == nil, "\(origin)")
      }
      let plain = try await server.get("/cluster")
      #expect(plain.headers["access-control-allow-origin"] == nil && plain.headers["vary"] == "Origin")
      let preflight = try await server.request(
        "OPTIONS", "/v1/completions",
        headers: [
          "Origin: https://page.example", "Access-Control-Request-Method: POST",
          "Access-Control-Request-Private-Network: true",
        ])
      #expect(preflight.status == 204 && preflight.headers["access-control-allow-private-network"] == "true")
    }
    try await TestServer.run(model.engine(answering: " x"), configure: { $0.allowedOrigins = ["*"] }) {
      server async throws in
      let reply = try await server.get("/cluster", headers: ["Origin: null", "Sec-Fetch-Site: cross-site"])
      #expect(reply.status == 200 && reply.headers["access-control-allow-origin"] == "*")
    }
  }

  @Test(arguments: [
    "https://a.example/", "a.example", "https://", "https://a b", "*.example", "https://a:x", "", "://a",
  ])
  func whatIsNoOriginIsNotTakenForOne(text: String) { #expect(WebOrigin(text) == nil) }
}
