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
    let requestID = coordinator.identifiers.request()
    var response: Response
    do {
      response = try await answer(request, found, context)
    } catch let error as APIError {
      response = .error(error, route: found?.route, requestID: requestID)
    } catch is ClientGone, is ChannelPipelineError {
      // A closed connection has no handlers any more. Nobody reads this; the connection ends with it.
      response = Response(status: .init(code: 499))
    } catch {
      coordinator.configuration.logger.error("a request failed", metadata: ["error": "\(error)"])
      response = .error(.internalFailure(), route: found?.route, requestID: requestID)
    }
    coordinator.metrics.countResponse(route: found?.route, status: response.status.code)
    coordinator.configuration.logger.info(
      "request",
      metadata: [
        "method": "\(request.method)", "path": "\(request.uri.path)", "status": "\(response.status.code)",
      ])
    // The OpenAI API's name, and Anthropic's.
    for name in ["x-request-id", "request-id"].compactMap({ HTTPField.Name($0) }) { response.headers[name] = requestID }
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
    guard route.isOpen || isAdmitted(request) else { throw APIError.invalidKey }
    return switch route {
    case .page: page()
    case .health: health()
    case .ready: ready()
    case .version: .json(["version": .string(coordinator.configuration.version)])
    case .metrics: metrics()
    case .cluster: cluster()
    case .models: try models(name)
    case .chatCompletions: try await generate(ChatCompletionRequest.self, request, context)
    case .completions: try await generate(CompletionRequest.self, request, context)
    case .responses: try await generate(ResponsesRequest.self, request, context)
    case .inputTokens: try await inputTokens(request)
    case .messages: try await generate(MessagesRequest.self, request, context)
    case .countTokens: try await countTokens(request)
    case .embeddings: try await embeddings(request, context)
    case .tokenize: try await tokenize(request)
    case .detokenize: try await detokenize(request)
    }
  }

  /// Whether the request carries a key, in the header of the OpenAI API or of Anthropic's, or none is needed.
  private func isAdmitted(_ request: Request) -> Bool {
    let keys = coordinator.configuration.keys
    let key = HTTPField.Name("x-api-key").flatMap { request.headers[$0] }
    // Both are compared, whatever the first says.
    let isAdmitted = keys.admit(authorization: request.headers[.authorization])
    return keys.admit(authorization: key.map { "Bearer " + $0 }) || isAdmitted
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

  static func error(_ error: APIError, route: Route?, requestID: String) -> Response {
    let isOfMessages = route?.isOfMessages ?? false
    var response = json(
      isOfMessages ? error.messagesJSON(requestID: requestID) : error.json, status: .init(code: error.status))
    response.headers[.retryAfter] = error.retryAfter.map { String($0) }
    if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    if error.status == 405 { response.headers[.allow] = route?.methods.joined(separator: ", ") }
    return response
  }
}
