import TestSupport
import Testing
import Tokenization
import Training

/// Data that cannot be trained on are refused in words, before anything is computed.
@Suite struct DataErrorTests {
  private let folder = TemporaryFolder()

  private func refusal(_ list: String, length: Int = 3, vocabulary: Int = 100, tokenizer: Tokenizer? = nil) -> String {
    var options = TrainingData.Options(
      sequenceLength: length, seed: 1, vocabularySize: vocabulary, maximumPositions: 512)
    options.tokenizer = tokenizer
    return message { _ = try TrainingData(DataFile.list(list), options) }
  }

  private func lines(_ text: String, name: String = "a.jsonl") -> String { refusal(folder.write(text, as: name)) }

  @Test func linesThatAreNoDocumentsAreNamed() {
    let good = "{\"token_ids\": [1, 2, 3, 4]}\n"
    for (line, reason) in [
      ("[1]", "an array"), ("{}", "neither"), ("{\"text\": 3}", "a number as text"),
      ("{\"token_ids\": \"x\"}", "a string"),
      ("{\"text\": \"a\", \"token_ids\": [1]}", "both"), ("{\"token_ids\": [1.5]}", "token id 0"),
      ("{\"token_ids\": [1, null]}", "token id 1"), ("{\"token_ids\": [1", "JSON has its end"),
      ("nonsense", "JSON has"),
      ("{\"token_ids\": [99999999999999999999]}", "token id 0"),
      ("{\"token_ids\":[1]} {\"token_ids\":[1]}", "after its end"),
      ("{\"text\": \"a\u{0}\"}", "control"), (String(repeating: "[", count: 100_000), "deeper"),
    ] {
      let text = lines(good + good + line)
      #expect(text.contains("line 3") && text.contains(reason), "\(line.prefix(80)): \(text)")
    }
  }

  @Test func tokensOutsideTheVocabularyAreNamed() {
    for (line, token) in [("[1, 2, 100, 4]", "100"), ("[1, -1, 3, 4]", "-1")] {
      let text = lines("\n{\"token_ids\": \(line)}")
      #expect(text.contains("line 2") && text.contains("token \(token)") && text.contains("ends at 99"), "\(text)")
    }
  }

  @Test func textThatIsNoneIsNamed() {
    let invalid = refusal(folder.write([0x61, 0x0A, 0xFF, 0x0A], as: "a.txt"))
    #expect(invalid.contains("line 2") && invalid.contains("UTF-8"), "\(invalid)")
    let inJSON = refusal(folder.write(Array("{\"text\": \"".utf8) + [0xC3, 0x28] + Array("\"}".utf8), as: "b.jsonl"))
    #expect(inJSON.contains("line 1") && inJSON.contains("UTF-8"), "\(inJSON)")
    let binary = refusal(folder.write([0x61, 0x0A, 0x0A, 0, 0x0A], as: "c.txt"))
    #expect(binary.contains("line 3") && binary.contains("NUL"), "\(binary)")
    let noTokenizer = refusal(folder.write("text\n", as: "d.txt"))
    #expect(noTokenizer.contains("--tokenizer"), "\(noTokenizer)")
    let long = refusal(folder.write([UInt8](repeating: 0x61, count: 17 << 20), as: "e.jsonl"))
    #expect(long.contains("line 1") && long.contains("longer than 16 MiB"), "\(long)")
  }

  /// Else braces and names of fields would be learnt.
  @Test func linesOfJSONByAnotherNameAreNamed() {
    for line in ["{\"messages\": []}", " {\"text\": \"a\"}", "{\"token_ids\": [1]}"] {
      for name in ["chats", "chats.txt"] {
        let text = lines(line + "\nmore\n", name: name)
        #expect(text.contains(name) && text.contains(".jsonl"), "\(line): \(text)")
      }
    }
    #expect(lines("{\"a\": 1}\n", name: "code.txt").contains("--tokenizer"))
  }

  @Test func nothingIsNamedAsNothing() throws {
    #expect(lines("").contains("no tokens") && lines("\n \n\t\r\n").contains("no tokens"))
    #expect(refusal("").contains("--data") && refusal(",").contains("--data"))
    let tokenizer = try Tokenizer(folder: TrainingFixtures.tokenizer)
    let empty = refusal(folder.write("", as: "a.txt"), vocabulary: 4096, tokenizer: tokenizer)
    #expect(empty.contains("no tokens"), "\(empty)")
    let short = lines("{\"token_ids\": [1, 2, 3]}")
    #expect(short.contains("3 tokens") && short.contains("takes 4"), "\(short)")
    #expect(refusal("/dev/null/none.jsonl").contains("cannot open"))
    #expect(refusal(folder.file("pipe.jsonl")).contains("cannot open"))
    // A folder is all files of data in it.
    #expect(refusal(folder.path, vocabulary: 4096, tokenizer: tokenizer).contains("a.txt\" has no tokens"))
    let other = TemporaryFolder()
    #expect(refusal(other.path).contains("no file of data"))
  }

  @Test func weightsThatAreNoneAreNamed() {
    let path = folder.write("{\"token_ids\": [1, 2, 3, 4]}", as: "a.jsonl")
    for weight in ["-1", "0", "nan", "inf", "x", ""] {
      let text = refusal("\(path)=\(weight)")
      #expect(text.contains("weight") && text.contains("\"\(weight)\""), "\(text)")
    }
    #expect(refusal("\(path)=1,\(path)").contains("has no weight"))
    #expect(refusal(Array(repeating: "\(path)=1", count: 1025).joined(separator: ",")).contains("at most 1024"))
  }

  @Test func lengthsThatTheModelDoesNotTakeAreNamed() {
    let path = folder.write("{\"token_ids\": [1, 2, 3, 4]}", as: "a.jsonl")
    for length in [0, -1, 513, .max, .min] {
      let text = refusal(path, length: length)
      #expect(text.contains("\(length)") && text.contains("512"), "\(text)")
    }
  }

  @Test func damagedArraysAreNamed() {
    func array(_ header: String, _ data: Int, version: UInt8 = 1, name: String = "a.npy") -> String {
      let count = header.utf8.count
      let start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [version, 0, UInt8(count & 255), UInt8(count >> 8)]
      return refusal(folder.write(start + Array(header.utf8) + [UInt8](repeating: 0, count: data), as: name))
    }
    func header(_ type: String, _ shape: String, order: String = "False") -> String {
      "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }\n"
    }
    #expect(array(header("<u2", "(8,)"), 16).isEmpty)
    for (text, part) in [
      (array(header("<u2", "(8,)"), 15), "cut short"), (array(header("<u2", "(8,)"), 17), "cut short"),
      (array(header("<f4", "(8,)"), 32), "\"<f4\""), (array(header(">i4", "(8,)"), 32), "\">i4\""),
      (array(header("<u2", "(2, 4)", order: "True"), 16), "Fortran"), (array(header("<u2", "(2, 2, 2)"), 16), "shape"),
      (array(header("<u2", "()"), 2), "shape"), (array(header("<u2", "(-8,)"), 16), "shape"),
      (array(header("<u2", "(99999999999999999999,)"), 16), "shape"), (array(header("<u2", "(0,)"), 0), "no tokens"),
      (array(header("<i8", "(4611686018427387904, 4)"), 16), "shape"), (array("{}", 4), "lacks"),
      (array("", 0), "lacks"),
      (array(header("<u2", "(8,)"), 16, version: 9), "version 9"), (array("{'descr'", 3), "lacks"),
    ] { #expect(text.contains(part), "\(text)") }
    #expect(refusal(folder.write([0x93, 0x4E], as: "b.npy")).contains("has 2 bytes"))
    #expect(refusal(folder.write([UInt8](repeating: 7, count: 40), as: "c.npy")).contains("NUMPY"))
    let cut = [0x93] + Array("NUMPY".utf8) + [1, 0, 255, 0]
    #expect(refusal(folder.write(cut, as: "d.npy")).contains("255 bytes"))
    let wide = [0x93] + Array("NUMPY".utf8) + [2, 0, 255, 255, 255, 255]
    #expect(refusal(folder.write(wide, as: "e.npy")).contains("4294967295 bytes"))
    // A token of a shard that the model does not have.
    let outside = [0x93] + Array("NUMPY".utf8) + [1, 0]
    let text = header("<u2", "(4,)")
    let bytes = outside + [UInt8(text.utf8.count), 0] + Array(text.utf8) + [1, 0, 2, 0, 100, 0, 3, 0]
    let message = refusal(folder.write(bytes, as: "f.npy"))
    #expect(message.contains("token 2") && message.contains("the token 100"), "\(message)")
  }

  @Test func otherTensorsAreNoShards() {
    func tensors(_ header: String, _ data: Int) -> String {
      let count = header.utf8.count
      return refusal(
        folder.write(
          (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8)
            + [UInt8](repeating: 0, count: data), as: "a.safetensors"))
    }
    #expect(tensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16).contains("\"F32\""))
    #expect(tensors("{\"a\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 15).contains("past the file"))
    #expect(tensors("{}", 0).contains("has 0 tensors"))
    #expect(tensors("{\"a\":{\"dtype\":\"I32\",\"shape\":[1,2,2],\"data_offsets\":[0,16]}}", 16).contains("shape"))
    #expect(tensors("{\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4).contains("shape"))
  }
}
