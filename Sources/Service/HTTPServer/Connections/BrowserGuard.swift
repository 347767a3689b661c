import HTTPTypes
import Hummingbird
import NIOCore
import OpenAIProtocol

/// Keeps pages of other sites from using the server through the browser of somebody who may.
///
/// Browsers tell where a request comes from (`Origin`, `Sec-Fetch-Site`), and pages cannot forge that. A page whose own
/// name was made to lead here (DNS rebinding) is told by `Host`, which has that name: an attacker can choose a name,
/// but not an address. Who sends neither header is no browser, and is not held up.
struct BrowserGuard: Sendable {
  /// Names that `Host` may have beside addresses and loopback's; nil for all.
  private let names: Set<String>?
  /// `.example.org` for every name below it.
  private let suffixes: [String]
  private let origins: [WebOrigin]
  private let isOpenToAll: Bool

  /// `allowedHosts`: names, names below one (`.example.org`), or `*`. With keys and without such names, `Host` tells
  /// nothing: a page that reaches the server has none.
  init(host: String, machine: String, allowedHosts: [String], allowedOrigins: [String], needsKey: Bool) {
    let own = [host, machine, machine.prefix { $0 != "." }.description].map { $0.lowercased() }
    let isAny = allowedHosts.contains("*") || needsKey && allowedHosts.isEmpty
    names = isAny ? nil : Set((own + allowedHosts.map { $0.lowercased() }).filter { !$0.isEmpty })
    suffixes = allowedHosts.map { $0.lowercased() }.filter { $0.hasPrefix(".") }
    isOpenToAll = allowedOrigins.contains("*")
    origins = allowedOrigins.compactMap { WebOrigin($0) }
  }

  /// Throws a refusal for what a page of another site sends.
  func check(_ request: Request, route: Route?) throws(APIError) {
    let authority = request.head.authority
    if let authority { try checkHost(authority) }
    let site = request.headers[.secFetchSite]
    let origin = request.headers[.origin]
    if origin == nil, site == nil || isOpenToAll { return }
    if let origin, allows(origin) { return }
    switch site {
    case "same-origin", "none": return
    case nil:
      // Older browsers, and pages that did not come over TLS. Proxies may end it, so that schemes differ.
      if let origin, let authority, WebOrigin(origin)?.isAt(authority) ?? false { return }
    default:
      // Somebody follows a link to the page.
      let isVisit = request.headers[.secFetchMode] == "navigate" && request.headers[.secFetchDest] == "document"
      if isVisit, route == .page, request.method == .get || request.method == .head, origin == nil { return }
    }
    throw .originNotAllowed(origin)
  }

  private func checkHost(_ authority: String) throws(APIError) {
    guard let (name, _) = WebOrigin.split(authority) else { throw .hostNotAllowed(authority) }
    guard let names else { return }
    if WebOrigin.isAddress(name) || name == "localhost" || name.hasSuffix(".localhost") { return }
    if names.contains(name) || suffixes.contains(where: { name.hasSuffix($0) }) { return }
    throw .hostNotAllowed(name)
  }

  private func allows(_ origin: String) -> Bool {
    isOpenToAll || WebOrigin(origin).map { origins.contains($0) } ?? false
  }

  /// Lets an allowed page read the answer.
  func addHeaders(to response: inout Response, for request: Request) {
    guard isOpenToAll || !origins.isEmpty else { return }
    if !isOpenToAll { response.headers[.vary] = "Origin" }
    guard let origin = request.headers[.origin], allows(origin) else { return }
    response.headers[.accessControlAllowOrigin] = isOpenToAll ? "*" : origin
    response.headers[.accessControlExposeHeaders] = "x-request-id, retry-after"
  }

  /// What a browser asks before it lets a page send a request here.
  func preflight(_ request: Request, methods: [String]) -> Response {
    var response = Response(status: .noContent)
    let list = methods.joined(separator: ", ")
    response.headers[.allow] = list
    if let origin = request.headers[.origin], allows(origin) {
      response.headers[.accessControlAllowMethods] = list
      response.headers[.accessControlAllowHeaders] = Self.allowedHeaders(request.headers[.accessControlRequestHeaders])
      response.headers[.accessControlMaxAge] = "600"
      // Of a public page, before it may reach a private address.
      if request.headers[.requestPrivateNetwork] == "true" { response.headers[.allowPrivateNetwork] = "true" }
    }
    return response
  }

  /// The names of headers a page may send: those it asks for, as clients' libraries have some of their own.
  private static func allowedHeaders(_ asked: String?) -> String {
    let usual = "authorization, content-type"
    guard let asked, asked.utf8.count <= 4096 else { return usual }
    let names = asked.split { $0 == "," || $0 == " " || $0 == "\t" }.map(String.init)
    guard !names.isEmpty, names.allSatisfy({ HTTPField.Name($0) != nil }) else { return usual }
    return names.joined(separator: ", ")
  }
}

extension HTTPField.Name {
  fileprivate static let secFetchSite = known("sec-fetch-site")
  fileprivate static let secFetchMode = known("sec-fetch-mode")
  fileprivate static let secFetchDest = known("sec-fetch-dest")
  fileprivate static let requestPrivateNetwork = known("access-control-request-private-network")
  fileprivate static let allowPrivateNetwork = known("access-control-allow-private-network")
}
