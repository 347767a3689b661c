import HTTPTypes
import Hummingbird
import OpenAIProtocol

/// Refuses what a page of another site sends, whatever it asks for.
struct BrowserMiddleware: RouterMiddleware {
  let browsers: BrowserGuard

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    try browsers.check(request, route: context.target?.route)
    return try await next(request, context)
  }
}

/// Lets allowed pages read answers, refusals among them: outside of whatever makes answers of errors.
struct BrowserHeadersMiddleware: RouterMiddleware {
  let browsers: BrowserGuard

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    var response = try await next(request, context)
    browsers.addHeaders(to: &response, for: request)
    return response
  }
}

/// Refuses bodies that are packed: they are read as they come, and would be told to be no JSON.
struct CodingMiddleware: RouterMiddleware {
  typealias Context = ConnectionContext

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    for (name, status, plain) in [
      (HTTPField.Name.transferEncoding, 501, "chunked"), (HTTPField.Name.contentEncoding, 415, "identity"),
    ] {
      guard let coding = request.headers[name], coding.lowercased() != plain, !coding.isEmpty else { continue }
      throw APIError.unsupportedCoding(coding, of: name.rawName, status: status)
    }
    return try await next(request, context)
  }
}

/// Refuses what no route answers, and answers what browsers ask beforehand.
struct RouteMiddleware: RouterMiddleware {
  let browsers: BrowserGuard

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    guard let route = context.target?.route else { throw APIError.unsupportedEndpoint(request.uri.path) }
    guard route.methods.contains(request.method.rawValue) else {
      throw APIError.methodNotAllowed(request.method.rawValue, path: route.rawValue, allowed: route.methods)
    }
    if request.method == .options { return browsers.preflight(request, methods: route.methods) }
    return try await next(request, context)
  }
}

/// Asks for a key where the route does.
struct KeyMiddleware: RouterMiddleware {
  let secrets: ServerSecrets

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    let key = secrets.admit(request.headers)
    if case .known(let label) = key { RequestRecord.current?.note { $0.keyLabel = label } }
    guard context.target?.route.isOpen ?? false || key != .unknown else { throw APIError.invalidKey }
    return try await next(request, context)
  }
}
