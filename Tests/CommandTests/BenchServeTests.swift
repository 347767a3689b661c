import Testing

extension CommandTests {
  struct BenchServeTests {
    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        (["--url", "http://127.0.0.1:1"], "no server answers at http://127.0.0.1:1"),
        (["--url", "localhost"], "no address of a server"),
        (["--goodput", "speed:1"], "no list of goals"), (["--endpoint", "chat"], "cannot take"),
        (["--dataset", "/dev/null/x.jsonl"], "cannot read /dev/null/x.jsonl"),
        (["--concurrency", "0"], "--concurrency 0"),
        (["--requests", "1000000", "--prompt-length", "1048576"], "lower --requests"),
        (["--request-rate", "nan"], "--request-rate nan"),
        (["--report-json", "/dev/null/x/file"], "cannot write /dev/null/x/file"),
        (["--api-key", "a", "--api-key-file", "b"], "give one"), (["--api-key", "a b"], "API key"),
        (["--ca-certificate", "/dev/null/x"], "/dev/null/x holds no certificates"),
      ] as [([String], String)])
    func whatCannotBeDoneIsSaidInWords(arguments: [String], words: String) throws {
      let run = try Program.run(["bench", "serve", "--requests", "2"] + arguments)
      #expect(run.status == 1 && run.output.isEmpty, "\(run.status)")
      #expect(run.errors.contains(words), "\(run.errors)")
    }
  }
}
