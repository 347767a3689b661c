import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Options of `serve` from the command line, the environment and a file.
  struct SettingsTests {
    private let folder = TemporaryFolder()

    private func config(_ text: String) -> String { folder.write(text, as: "serve.json") }

    /// What `--print-config` says with these variables set.
    private func run(_ arguments: [String], _ variables: [String] = []) throws -> Program.Outcome {
      try Program.execute(["timeout", "900", "env"] + variables + [Program.path, "serve"] + arguments)
    }

    private func values(_ outcome: Program.Outcome) -> [String: String] {
      Dictionary(
        outcome.lines.compactMap { line in
          let parts = line.components(separatedBy: " = ")
          return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
      ) { first, _ in first }
    }

    @Test(.timeLimit(.minutes(20))) func theCommandLineGoesBeforeTheEnvironmentAndThatBeforeTheFile() throws {
      let file = config(
        #"""
        {"port": 8001, "host": "0.0.0.0", "max-queue": 9, "allowed-host": ["a.example", "b.example"], "supervise": true,
         "log-requests": false, "weights": null, "launcher": ["-n", "2"], "allow-origin": "https://a.example"}
        """#)
      let printed = try run(
        [
          "--print-config", "--config", file, "--port=8003", "--served-model-name", "one", "--served-model-name", "two",
        ],
        [
          "MARTINET_PORT=8002", "MARTINET_HOST=::1", "MARTINET_NO_PREFIX_CACHE=yes", "MARTINET_API_KEY=secret1 secret2",
          "MARTINET_SUPERVISE=",
        ])
      #expect(printed.status == 0, "\(printed.errors)")
      let values = values(printed)
      #expect(values["port"] == "8003  # command line" && values["host"] == "::1  # environment, MARTINET_HOST")
      #expect(
        values["max-queue"] == "9  # file \(file)" && values["allowed-host"] == "a.example, b.example  # file \(file)")
      #expect(values["allowed-origin"] == "https://a.example  # file \(file)")
      #expect(values["no-prefix-cache"] == "true  # environment, MARTINET_NO_PREFIX_CACHE")
      #expect(values["supervise"] == "true  # file \(file)" && values["log-requests"] == "false  # file \(file)")
      #expect(values["launcher"] == "-n 2  # file \(file)" && values["served-model-name"] == "one, two  # command line")
      #expect(values["weights"] == "auto  # default" && values["max-sequences"] == "256  # default")
      #expect(
        printed.output.contains("2 API keys  # environment, MARTINET_API_KEY") && !printed.output.contains("secret"))
    }

    @Test(.timeLimit(.minutes(20))) func aFileNamedByTheEnvironmentCounts() throws {
      let file = config(#"{"drain-seconds": 7}"#)
      #expect(values(try run(["--print-config"], ["MARTINET_CONFIG=\(file)"]))["drain-seconds"] == "7  # file \(file)")
    }

    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        (#"{"prot": 1}"#, #"there is no option "prot"; did you mean "port"?"#),
        (#"{"config": "x"}"#, "there is no option"),
        (#"{"port": [1]}"#, #""port" is an array"#), (#"{"supervise": "yes"}"#, "true or false"),
        ("[]", "no configuration"),
        (#"{"port": 1"#, "serve.json"), (#"{"port": "x"}"#, "--port comes from: file"),
        (#"{"max-queue": -1}"#, "--max-queue comes from: file"),
        (#"{"engine-link": true}"#, "there is no option"),
      ])
    func whatIsWrongInAFileIsNamed(text: String, words: String) throws {
      let outcome = try run(["--print-config", "--config", config(text)])
      #expect(outcome.status == 1 && outcome.errors.contains(words), "\(outcome.errors)")
    }

    @Test(.timeLimit(.minutes(20))) func whatIsWrongInTheEnvironmentIsNamed() throws {
      let unknown = try run(["--print-config"], ["MARTINET_MAX_QEUE=3"])
      #expect(unknown.status == 1 && unknown.errors.contains("did you mean MARTINET_MAX_QUEUE?"), "\(unknown.errors)")
      let flag = try run(["--print-config"], ["MARTINET_SUPERVISE=maybe"])
      #expect(flag.status == 1 && flag.errors.contains("MARTINET_SUPERVISE"))
      let missing = try run(["--print-config", "--config", folder.file("none.json")])
      #expect(missing.status == 1 && missing.errors.contains(folder.file("none.json")))
    }

    /// A Kubernetes service that is called martinet gives every pod beside it such variables.
    @Test(.timeLimit(.minutes(20))) func theVariablesOfAServiceOfThatNameAreNoOptions() throws {
      let printed = try run(
        ["--print-config"],
        [
          "MARTINET_PORT=tcp://10.0.0.1:8000", "MARTINET_SERVICE_HOST=10.0.0.1", "MARTINET_SERVICE_PORT=8000",
          "MARTINET_PORT_8000_TCP_ADDR=10.0.0.1", "MARTINET_API_SERVICE_PORT_HTTP=80",
        ])
      #expect(printed.status == 0 && values(printed)["port"] == "8000  # default", "\(printed.errors)")
    }
  }
}
