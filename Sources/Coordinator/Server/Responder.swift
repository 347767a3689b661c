import HTTPTypes
import Hummingbird
import JSON
import Logging
import NIOCore
import OpenAIProtocol
import Serving

/// A request's surroundings: its connection.
struct ConnectionContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }
}

/// Answers requests: finds the route, checks key and method, and turns errors into responses.
struct Responder: HTTPResponder {
  typealias Context = ConnectionContext

  let coordinator: Coordinator

  func respond(to request: Request, context: Context) async throws -> Response {
    let found = Route.find(request.uri.path)
    var response: Response
    do {
      response = try await answer(request, found, context)
    } catch let error as APIError {
      response = .error(error, methods: found?.route.methods)
    } catch is ClientGone, is ChannelPipelineError {
      // A closed connection has no handlers any more. Nobody reads this; the connection ends with it.
      response = Response(status: .init(code: 499))
    } catch {
      coordinator.configuration.logger.error("a request failed", metadata: ["error": "\(error)"])
      response = .error(.internalFailure(), methods: nil)
    }
    coordinator.metrics.countResponse(route: found?.route, status: response.status.code)
    coordinator.configuration.logger.info(
      "request",
      metadata: [
        "method": "\(request.method)", "path": "\(request.uri.path)", "status": "\(response.status.code)",
      ])
    if let name = HTTPField.Name("x-request-id") { response.headers[name] = coordinator.identifiers.request() }
    if let origin = coordinator.configuration.allowedOrigin {
      response.headers[.accessControlAllowOrigin] = origin
      response.headers[.accessControlExposeHeaders] = "x-request-id, retry-after"
      if origin != "*" { response.headers[.vary] = "Origin" }
    }
    return request.method == .head ? response.createHeadResponse() : response
  }

  private func answer(
    _ request: Request, _ found: (route: Route, name: String?)?, _ context: Context
  ) async throws -> Response {
    guard let (route, name) = found else { throw APIError.unsupportedEndpoint(request.uri.path) }
    let methods = route.methods
    guard methods.contains(request.method.rawValue) else {
      throw APIError.methodNotAllowed(request.method.rawValue, path: route.rawValue, allowed: methods)
    }
    if request.method == .options { return preflight(request, methods) }
    guard route.isOpen || coordinator.configuration.keys.admit(authorization: request.headers[.authorization]) else {
      throw APIError.invalidKey
    }
    return switch route {
    case .page: page()
    case .health: health()
    case .ready: ready()
    case .version: .json(["version": .string(coordinator.configuration.version)])
    case .metrics: metrics()
    case .cluster: cluster()
    case .models: try models(name)
    case .chatCompletions: try await chatCompletion(request, context)
    case .completions: try await completion(request, context)
    case .tokenize: try await tokenize(request)
    case .detokenize: try await detokenize(request)
    }
  }

  /// What a browser asks before it lets a page send a request here.
  private func preflight(_ request: Request, _ methods: [String]) -> Response {
    var response = Response(status: .noContent)
    let list = methods.joined(separator: ", ")
    response.headers[.allow] = list
    if coordinator.configuration.allowedOrigin != nil {
      response.headers[.accessControlAllowMethods] = list
      response.headers[.accessControlAllowHeaders] = Self.allowedHeaders(request.headers[.accessControlRequestHeaders])
      response.headers[.accessControlMaxAge] = "600"
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

extension Response {
  static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
    text(value.text(), type: "application/json", status: status)
  }

  static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }

  static func error(_ error: APIError, methods: [String]?) -> Response {
    var response = json(error.json, status: .init(code: error.status))
    response.headers[.retryAfter] = error.retryAfter.map { String($0) }
    if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    if error.status == 405 { response.headers[.allow] = methods?.joined(separator: ", ") }
    return response
  }
}
