import HTTPTypes
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// API keys, certificate and private key, which may be exchanged while the server runs.
///
/// Connections keep the certificate that they began with; a key counts from the next request on.
final class ServerSecrets: Sendable {
  private enum Part: String, CaseIterable {
    case keys = "api_keys"
    case tls = "tls"
  }

  private struct State {
    var keys: APIKeys
    var tls: TLSCredentials?
    /// Of the files as they were last read, whether or not they could be used, and as they were last seen.
    var read: [Part: [SmallFile.Stamp?]] = [:]
    var seen: [Part: [SmallFile.Stamp?]] = [:]
  }

  private let fixedKeys: APIKeys
  private let keyFile: String?
  private let tlsFiles: TLSFiles?
  private let logger: Logger
  private let metrics: ServerMetrics
  private let state: Mutex<State>

  /// Throws for a file that cannot be used.
  init(_ configuration: ServerConfiguration, metrics: ServerMetrics) throws(ServerError) {
    (fixedKeys, keyFile, tlsFiles) = (configuration.keys, configuration.keyFile, configuration.tls)
    (logger, self.metrics) = (configuration.logger, metrics)
    let stamps = Self.stamps(configuration.keyFile, configuration.tls)
    var state = State(keys: configuration.keys, read: stamps, seen: stamps)
    if let path = configuration.keyFile { state.keys = configuration.keys.merging(try APIKeys(file: path)) }
    if let files = configuration.tls { state.tls = try TLSCredentials(files) }
    self.state = Mutex(state)
  }

  /// Whether headers carry a key, as the OpenAI API has it or as Anthropic's, or none is needed.
  func admit(_ headers: HTTPFields) -> APIKeys.Admission {
    let keys = state.withLock { $0.keys }
    // Both are compared, whatever the first says.
    let usual = keys.admit(authorization: headers[.authorization])
    let other = keys.admit(authorization: HTTPField.Name("x-api-key").flatMap { headers[$0] }.map { "Bearer " + $0 })
    return usual == .unknown ? other : usual
  }

  /// Seconds since 1970; nil without TLS.
  var certificateExpiry: Int? { state.withLock { $0.tls?.expiry } }

  /// What a listener is to be given; every handshake asks for the certificate then in force. nil without TLS.
  func tlsConfiguration() -> TLSConfiguration? {
    guard var configuration = state.withLock({ $0.tls })?.configuration() else { return nil }
    configuration.sslContextCallback = { [self] _, promise in
      var present = NIOSSLContextConfigurationOverride()
      let tls = state.withLock { $0.tls }
      (present.certificateChain, present.privateKey) = (tls?.chain, tls?.key)
      promise.succeed(present)
    }
    return configuration
  }

  /// Reads everything again, changed or not.
  func reload() {
    for part in Part.allCases { reload(part) }
  }

  /// Reads what has changed and stayed the same since the last call: two files that belong together are written one
  /// after the other.
  func reloadWhatHasChanged() {
    let stamps = Self.stamps(keyFile, tlsFiles)
    let changed = state.withLock { state in
      defer { state.seen = stamps }
      return Part.allCases.filter { stamps[$0] != state.read[$0] && stamps[$0] == state.seen[$0] }
    }
    for part in changed { reload(part) }
  }

  private func reload(_ part: Part) {
    let stamps = Self.stamps(keyFile, tlsFiles)[part]
    guard stamps?.isEmpty == false else { return }
    do throws(ServerError) {
      let news: String
      switch part {
      case .keys: news = try reloadKeys()
      case .tls: news = try reloadTLS()
      }
      metrics.count { $0.reloads[.init(what: part.rawValue, isSuccess: true), default: 0] += 1 }
      logger.notice("\(news)")
    } catch {
      metrics.count { $0.reloads[.init(what: part.rawValue, isSuccess: false), default: 0] += 1 }
      logger.error("not reloaded, the old \(part == .keys ? "API keys stay" : "certificate stays") in force: \(error)")
    }
    state.withLock { $0.read[part] = stamps }
  }

  private func reloadKeys() throws(ServerError) -> String {
    guard let keyFile else { return "" }
    let keys = try APIKeys(file: keyFile)
    state.withLock { $0.keys = fixedKeys.merging(keys) }
    return "API keys reloaded: \(keys.count) in \(keyFile)"
  }

  private func reloadTLS() throws(ServerError) -> String {
    guard let tlsFiles else { return "" }
    let tls = try TLSCredentials(tlsFiles)
    state.withLock { $0.tls = tls }
    return "TLS certificate reloaded: \(tlsFiles.certificate) is valid until \(TLSCredentials.day(tls.expiry))"
  }

  private static func stamps(_ keyFile: String?, _ tlsFiles: TLSFiles?) -> [Part: [SmallFile.Stamp?]] {
    [
      .keys: keyFile.map { [SmallFile.Stamp($0)] } ?? [],
      .tls: tlsFiles.map { [SmallFile.Stamp($0.certificate), SmallFile.Stamp($0.key)] } ?? [],
    ]
  }
}
