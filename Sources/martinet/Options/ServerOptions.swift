import ArgumentParser
import Checkpoints
import Coordinator
import Glibc
import Prompts
import Serving

/// Where a server listens, whom it serves, and how much.
struct ServerOptions: ParsableArguments {
  @Option(help: "Address to listen on; only this machine can reach the default, 0.0.0.0 is open to all.")
  var host = "127.0.0.1"

  @Option(parsing: .unconditional, help: "Port to listen on; 0 takes any free one.")
  var port = 8000

  @Option(parsing: .singleValue, help: ArgumentHelp("Name of the model in requests; may be given several times. (default: the folder's name)", valueName: "name"))
  var servedModelName: [String] = []

  @OptionGroup var template: TemplateOptions

  @Option(help: ArgumentHelp("File with API keys, one a line; requests then need one of them.", valueName: "file"))
  var apiKeyFile: String?

  @Option(help: ArgumentHelp("Certificate chain (PEM): serve HTTPS. Needs --tls-key.", valueName: "file"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("Private key of the certificate (PEM).", valueName: "file"))
  var tlsKey: String?

  @Option(help: ArgumentHelp("Origin whose pages may use the server from a browser; * for all.", valueName: "origin"))
  var allowOrigin: String?

  @Option(help: ArgumentHelp("How a text's hidden states become its embedding where a request does not say: those of its last token, or their mean.", valueName: "last|mean"))
  var pooling = Pooling.last

  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences that may wait beside those in progress; more are refused with 429.", valueName: "n"))
  var maxQueue = 256

  @Option(parsing: .unconditional, help: ArgumentHelp("Seconds that requests in progress may take to end after SIGTERM, SIGUSR1 or Ctrl-C.", valueName: "s"))
  var drainSeconds = 25

  @OptionGroup var sampling: DefaultSampling

  @Flag(help: "Write a line to standard error for every request.")
  var logRequests = false

  func validate() throws {
    guard (0...65535).contains(port) else { throw ValidationError("--port \(port) is not between 0 and 65535") }
    guard (0...(1 << 20)).contains(maxQueue) else { throw ValidationError("--max-queue \(maxQueue) is not between 0 and \(1 << 20)") }
    guard (0...86_400).contains(drainSeconds) else { throw ValidationError("--drain-seconds \(drainSeconds) is not between 0 and 86400") }
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key go together")
    }
    guard !host.isEmpty else { throw ValidationError("--host needs an address") }
    if servedModelName.contains("") { throw ValidationError("--served-model-name needs a name that is not empty") }
  }

  /// What a coordinator of the model in `folder` is to do. Reads the keys.
  func configuration(folder: String) throws -> CoordinatorConfiguration {
    let checkpoint = try CheckpointFolder(path: folder)
    let name = ModelLocation.displayName(checkpoint.path)
    let codec = try template.codec(folder: folder)
    var configuration = CoordinatorConfiguration(
      modelNames: servedModelName.isEmpty ? [name] : servedModelName, codec: codec,
      stopTokens: try StopTokens.read(checkpoint, tokenizer: codec.optionalTokenizer))
    configuration.host = host
    configuration.port = port
    configuration.sampling = try sampling.options(checkpoint)
    configuration.version = Martinet.configuration.version
    configuration.created = time(nil)
    if let apiKeyFile { configuration.keys = try APIKeys(file: apiKeyFile) }
    if let tlsCertificate, let tlsKey { configuration.tls = TLSFiles(certificate: tlsCertificate, key: tlsKey) }
    configuration.limits.queue = maxQueue
    configuration.limits.drainTime = .seconds(drainSeconds)
    configuration.allowedOrigin = allowOrigin
    configuration.pooling = pooling
    configuration.logger.logLevel = logRequests ? .info : .warning
    return configuration
  }

  /// What a person is told once it listens.
  func announcement(_ configuration: CoordinatorConfiguration, port: Int) -> String {
    let scheme = tlsCertificate == nil ? "http" : "https"
    let isLoopback = ["127.0.0.1", "::1", "localhost"].contains(host)
    let reach = isLoopback ? "this machine only; --host 0.0.0.0 opens it to others" : "other machines too"
    let keys = configuration.keys.isEmpty ? (isLoopback ? "" : "; WITHOUT a key: --api-key-file asks for one") : "; with a key"
    let address = host.contains(":") ? "[\(host)]" : host
    return "martinet: serving \(configuration.modelNames[0]) at \(scheme)://\(address):\(port) (\(reach)\(keys))\n"
      + sampling.announcement(configuration.sampling)
  }
}

extension Pooling: ExpressibleByArgument {}
