import ArgumentParser
import Checkpoints
import EngineAPI
import Foundation
import HTTPServer
import Logging
import ModelText

/// Where a server listens, whom it serves, and how much.
struct ServerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      JSON file of options: {\"port\": 8000, \"api-key-file\": \"keys\", …}. The command line and variables such \
      as MARTINET_PORT go before it.
      """,
      valueName: "file"))
  var config: String?

  @Flag(help: "Print every option, its value and where it comes from, and end.")
  var printConfig = false

  @Option(help: "Address to listen on; only this machine can reach the default, 0.0.0.0 is open to all.")
  var host = "127.0.0.1"

  @Option(parsing: .unconditional, help: "Port to listen on; 0 takes any free one.")
  var port = 8000

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Name of the model in requests; may be given several times. (default: the folder's name)", valueName: "name"))
  var servedModelName: [String] = []

  @OptionGroup var template: TemplateOptions

  @Option(help: ArgumentHelp("File with API keys, one a line; requests then need one of them.", valueName: "file"))
  var apiKeyFile: String?

  @Option(help: ArgumentHelp("Certificate chain (PEM): serve HTTPS. Needs --tls-key.", valueName: "file"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("Private key of the certificate (PEM).", valueName: "file"))
  var tlsKey: String?

  @Option(
    name: [.customLong("allowed-origin"), .customLong("allow-origin")], parsing: .singleValue,
    help: ArgumentHelp(
      """
      Origin whose pages may use the server from a browser, as https://chat.example.org; * for all; may be given \
      several times.
      """,
      valueName: "origin"))
  var allowedOrigin: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      """
      Name under which clients reach the server, beside addresses, localhost and this machine's name; .example.org \
      for all below it; * for any; may be given several times. With API keys any name will do, unless this is given.
      """,
      valueName: "name"))
  var allowedHost: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      How a text's hidden states become its embedding where a request does not say: those of its last token, or \
      their mean.
      """,
      valueName: "last|mean"))
  var pooling = Pooling.last

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sequences that may wait beside those in progress; more are refused with 429.", valueName: "n"))
  var maxQueue = 256

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds that requests in progress may take to end after SIGTERM, SIGUSR1 or Ctrl-C.", valueName: "s"))
  var drainSeconds = 25

  @OptionGroup var sampling: DefaultSampling

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Connections open at once; more wait to be accepted.", valueName: "n"))
  var maxConnections = 1024

  @Option(help: ArgumentHelp("Lines of the log, on standard error: text or json.", valueName: "text|json"))
  var logFormat = LogFormat.text

  @Option(
    help: ArgumentHelp(
      "Least that is logged: debug (probes, too), info (requests), notice, warning or error.", valueName: "level"))
  var logLevel = LogLevel.info

  @Flag(inversion: .prefixedNo, help: "Log a line for every request when it has ended.")
  var logRequests = true

  @Flag(
    help:
      "Take a client's address from the last entry of X-Forwarded-For: behind a proxy that writes it, and only there.")
  var trustForwardedFor = false

  func validate() throws {
    try require("port", port, in: 0...65535)
    try require("max-queue", maxQueue, in: 0...(1 << 20))
    try require("drain-seconds", drainSeconds, in: 0...86_400)
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key go together")
    }
    try require("max-connections", maxConnections, in: 1...(1 << 20))
    for origin in allowedOrigin where origin != "*" && WebOrigin(origin) == nil {
      throw ValidationError(
        "--allowed-origin '\(origin)' is no origin: write scheme://name or scheme://name:port, without a path")
    }
    for name in allowedHost
    where name.isEmpty || name.contains("/") || name.contains(":") && name.filter({ $0 == ":" }).count == 1 {
      throw ValidationError("--allowed-host '\(name)' is no name: write it without scheme, port and path")
    }
    guard !host.isEmpty else { throw ValidationError("--host needs an address") }
    if servedModelName.contains("") { throw ValidationError("--served-model-name needs a name that is not empty") }
  }

  /// API keys, beside those of --api-key-file: a command line can be read by everybody on the machine.
  static let keysVariable = "MARTINET_API_KEY"

  /// What a server of the model in `folder` is to do. Reads the keys.
  func configuration(folder: String) throws -> ServerConfiguration {
    let checkpoint = try CheckpointFormat.open(folder)
    let name = ModelLocation.displayName(checkpoint.path)
    let codec = try template.codec(checkpoint)
    var configuration = ServerConfiguration(
      modelNames: servedModelName.isEmpty ? [name] : servedModelName, codec: codec,
      stopTokens: try StopTokens.read(checkpoint, tokenizerEnd: codec.endToken))
    configuration.host = host
    configuration.port = port
    configuration.sampling = try sampling.options(checkpoint)
    configuration.version = Martinet.configuration.version
    configuration.created = time(nil)
    configuration.keyFile = apiKeyFile
    if let keys = ProcessInfo.processInfo.environment[Self.keysVariable], !keys.isEmpty {
      configuration.keys = try APIKeys(variable: Self.keysVariable, keys)
    }
    if let tlsCertificate, let tlsKey { configuration.tls = TLSFiles(certificate: tlsCertificate, key: tlsKey) }
    configuration.limits.queue = maxQueue
    configuration.limits.drainTime = .seconds(drainSeconds)
    configuration.limits.connections = maxConnections
    configuration.allowedOrigins = allowedOrigin
    configuration.allowedHosts = allowedHost
    configuration.trustsForwardedFor = trustForwardedFor
    configuration.logger = logger
    configuration.logsRequests = logRequests
    configuration.pooling = pooling
    return configuration
  }

  /// What a person is told once it listens.
  func announcement(_ configuration: ServerConfiguration, port: Int) -> String {
    let scheme = tlsCertificate == nil ? "http" : "https"
    let isLoopback = ["127.0.0.1", "::1", "localhost"].contains(host)
    let reach = isLoopback ? "this machine only; --host 0.0.0.0 opens it to others" : "other machines too"
    let keys =
      !configuration.needsKey ? (isLoopback ? "" : "; WITHOUT a key: --api-key-file asks for one") : "; with a key"
    let address = host.contains(":") ? "[\(host)]" : host
    return "martinet: serving \(configuration.modelNames[0]) at \(scheme)://\(address):\(port) (\(reach)\(keys))\n"
      + sampling.announcement(configuration.sampling)
  }
}

extension Pooling: ExpressibleByArgument {}
