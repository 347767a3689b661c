import EngineAPI
import Logging
import ModelText
import OpenAIProtocol

/// What a server serves, where, and within which limits.
package struct ServerConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0 takes any free port.
  package var port = 8000
  /// Names that requests may give as `model`; answers carry the one that was asked for.
  package var modelNames: [String]
  /// The served model's tokenizer and chat template.
  package var codec: TextCodec
  /// Tokens that end a text, unless a request ignores them.
  package var stopTokens: Set<Int32>
  /// The engine's, where it is in this process; what is asked for is then compiled once for both.
  package var grammars: GrammarCache?
  /// What holds where a request says nothing of how tokens are sampled.
  package var sampling = SamplingOptions()
  /// How hidden states become an embedding where a request does not say.
  package var pooling = Pooling.last
  package var version = "0"
  /// Seconds since 1970 at which the model was made, as `/v1/models` tells.
  package var created = 0
  /// Requests need one of these keys; none are needed where there are none.
  package var keys = APIKeys()
  /// File of more of them, which is read again when it changes.
  package var keyFile: String?
  package var tls: TLSFiles?
  package var limits = ServerLimits()
  /// Origins whose pages may use the server from a browser; `*` for all.
  package var allowedOrigins: [String] = []
  /// Names that requests may give as `Host`, beside addresses, loopback's and this machine's; see `BrowserGuard`.
  package var allowedHosts: [String] = []
  /// A proxy in front tells the clients' addresses in `X-Forwarded-For`.
  package var trustsForwardedFor = false
  /// Whether the log has a line for each request.
  package var logsRequests = true
  /// Threads that tokenize prompts and lay out conversations.
  package var textThreads = 2
  package var logger = Logger(label: "martinet")

  package init(modelNames: [String], codec: TextCodec, stopTokens: Set<Int32>) {
    (self.modelNames, self.codec, self.stopTokens) = (modelNames, codec, stopTokens)
  }

  package var needsKey: Bool { keyFile != nil || !keys.isEmpty }
}

/// What clients may take of the server.
package struct ServerLimits: Sendable, Equatable {
  /// Sequences that may wait beside those in progress; more are refused with 429.
  package var queue = 256
  /// Connections open at once; more wait to be accepted.
  package var connections = 1024
  package var bodyBytes = 16 << 20
  /// Of bodies being read, all connections together; what goes beyond is refused with 429.
  package var allBodiesBytes = 256 << 20
  package var headerBytes = 32 << 10
  /// From the first byte of a request's head to the last, and from there to the end of its body and trailers.
  package var readTime = Duration.seconds(60)
  /// Between requests of one connection.
  package var idleTime = Duration.seconds(120)
  /// A client that takes nothing for so long is disconnected.
  package var stallTime = Duration.seconds(30)
  /// Between two looks at the files of keys and certificates.
  package var reloadTime = Duration.seconds(2)
  /// Tokens a client may be behind; one that is further behind is disconnected.
  package var bufferedTokens = 8192
  /// A stream without tokens shows that it lives after so long, again and again.
  package var keepAliveTime = Duration.seconds(10)
  /// Requests in progress may go on for so long once the server is to stop.
  package var drainTime = Duration.seconds(25)
  /// What tells clients that the time for draining is over may take so long.
  package var lastWordsTime = Duration.seconds(2)
  /// New requests wait for an engine that is being started again only in the first part of its absence; then they are
  /// refused.
  package var holdTime = Duration.seconds(60)

  package init() {}
}
