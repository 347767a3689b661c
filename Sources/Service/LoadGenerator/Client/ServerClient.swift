import AsyncHTTPClient
import Glibc
import JSON
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A server that speaks OpenAI's API.
package final class ServerClient: Sendable {
  package let url: String
  private let key: String?
  /// Seconds that an answer may take which no model computes.
  private static let patience = 30.0
  let http: HTTPClient

  /// `url` may end in `/v1`. At most `connections` requests are under way at once; others would wait. A server's
  /// certificate must be signed by one of those in the PEM file `authorities`; nil: by one that this host trusts.
  package init(url: String, key: String?, authorities: String? = nil, connections: Int) throws(LoadError) {
    var base = url[...]
    while base.last == "/" { base.removeLast() }
    if base.hasSuffix("/v1") { base.removeLast(3) }
    let host = base.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
    guard host.count == 2, ["http", "https"].contains(host[0]), !host[1].isEmpty, !host[1].hasPrefix("/"),
      base.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), Self.hasPort(host[1])
    else { throw .badURL(url) }
    if let key, key.isEmpty || !key.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) { throw .badKey }
    self.url = String(base)
    self.key = key
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
    // A server that is not there shall be known at once.
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.timeout.connect = .seconds(10)
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    if let authorities {
      guard let certificates = try? NIOSSLCertificate.fromPEMFile(authorities), !certificates.isEmpty else {
        throw .badCertificates(path: authorities)
      }
      var security = TLSConfiguration.makeClientConfiguration()
      security.trustRoots = .certificates(certificates)
      configuration.tlsConfiguration = security
    }
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// Whether what follows the host, if it looks like a port, is one: the client takes the number as it comes.
  private static func hasPort(_ authority: Substring) -> Bool {
    let place = authority.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    // Within brackets colons belong to the address.
    let rest = place.lastIndex(of: "]").map { place[place.index(after: $0)...] } ?? place
    guard let colon = rest.lastIndex(of: ":") else { return true }
    let digits = rest[rest.index(after: colon)...]
    return digits.allSatisfy(\.isNumber) && (1...65535).contains(Int(digits) ?? 0)
  }

  /// Closes all connections; nothing may be asked any more.
  package func close() async { try? await http.shutdown() }

  func request(_ path: String, _ body: JSONValue? = nil) -> HTTPClientRequest {
    var request = HTTPClientRequest(url: url + path)
    if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
    if let body {
      request.method = .POST
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(string: body.text()))
    }
    return request
  }

  private func get(_ what: String, _ path: String, _ body: JSONValue? = nil) async throws(LoadError) -> JSONValue {
    let answer = try await whole(request(path, body), seconds: Self.patience)
    guard answer.status == 200 else {
      throw .refused(what: what, status: answer.status, message: Self.message(answer.json) ?? "no reason given")
    }
    guard let json = answer.json else { throw .malformedReply(what: what, reason: "it is not JSON") }
    return json
  }

  /// The first model that it serves.
  package func model() async throws(LoadError) -> String {
    guard let name = try await get("a request to /v1/models", "/v1/models")["data"]?.array?.first?["id"]?.string else {
      throw .noModel(url: url)
    }
    return name
  }

  /// How many token ids its model has, as `martinet serve` tells.
  package func vocabularySize() async throws(LoadError) -> Int {
    let answer = try await whole(request("/cluster"), seconds: Self.patience)
    guard answer.status == 200, let size = answer.json?["facts"]?["vocabulary_size"]?.exactInt, size > 0 else {
      throw .noVocabulary(url: url)
    }
    return size
  }

  /// The ids of `text`.
  package func tokenize(_ text: String, model: String) async throws(LoadError) -> [Int32] {
    let what = "a request to /tokenize"
    let reply = try await get(what, "/tokenize", ["model": .string(model), "prompt": .string(text)])
    guard let values = reply["tokens"]?.array else { throw .malformedReply(what: what, reason: "it has no tokens") }
    var ids: [Int32] = []
    for value in values {
      guard let id = value.exactInt.flatMap({ Int32(exactly: $0) }), id >= 0 else {
        throw .malformedReply(what: what, reason: "its tokens are not ids")
      }
      ids.append(id)
    }
    return ids
  }

  /// What a refusal says of itself, shortened, and without what a terminal would obey.
  static func message(_ json: JSONValue?) -> String? {
    let error = json?["error"] ?? json
    return (error?["message"]?.string ?? error?.string ?? json?["detail"]?.string).map { text in
      var shown = String.UnicodeScalarView()
      for scalar in text.unicodeScalars.prefix(160) {
        let isControl = [.control, .format, .lineSeparator, .paragraphSeparator].contains(
          scalar.properties.generalCategory)
        shown.append(isControl ? " " : scalar)
      }
      return String(shown)
    }
  }

  static func words(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError:
      switch error {
      case .connectTimeout: "no connection within ten seconds"
      case .deadlineExceeded: "it did not answer in time"
      case .remoteConnectionClosed: "the connection was closed"
      default: error.shortDescription
      }
    case let error as NIOConnectionError:
      error.dnsAError != nil && error.connectionErrors.isEmpty
        ? "the host's name is not known" : error.connectionErrors.first.map { words($0.error) } ?? "no connection"
    case let error as IOError:
      error.errnoCode == 111 ? "connection refused" : unsafe String(cString: strerror(error.errnoCode))
    case is CancellationError: "the request was given up"
    case NIOSSLError.handshakeFailed(let reason) where "\(reason)".contains("WRONG_VERSION_NUMBER"):
      "it does not speak TLS there; write the address as http://host:port"
    case NIOSSLError.handshakeFailed(let reason) where "\(reason)".contains("CERTIFICATE_VERIFY_FAILED"):
      "nobody whom this host trusts vouches for its certificate; name who does with --ca-certificate"
    default: "\(error)"
    }
  }
}
