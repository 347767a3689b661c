import Foundation
import NIOSSL

/// PEM files of a certificate chain and its private key.
package struct TLSFiles: Sendable, Equatable {
  package var certificate: String
  package var key: String

  package init(certificate: String, key: String) { (self.certificate, self.key) = (certificate, key) }
}

/// A certificate chain and its key, read and checked.
struct TLSCredentials: Sendable {
  let chain: [NIOSSLCertificateSource]
  let key: NIOSSLPrivateKeySource
  /// Seconds since 1970.
  let expiry: Int

  /// Throws an error that names the file at fault.
  init(_ files: TLSFiles, now: Int = time(nil)) throws(ServerError) {
    let certificateText = try Self.text(files.certificate)
    let keyText = try Self.text(files.key)
    let certificates = try Self.certificates(certificateText, files.certificate)
    let key = try Self.key(keyText, files.key)
    // The first is the server's own.
    let (start, end) = (certificates[0].notValidBefore, certificates[0].notValidAfter)
    guard now <= end else {
      throw .unusableTLS(
        path: files.certificate, reason: "the certificate has expired on \(Self.day(end)); get a new one")
    }
    guard now >= start else {
      throw .unusableTLS(
        path: files.certificate, reason: "the certificate is valid from \(Self.day(start)) on; check this host's clock")
    }
    (chain, self.key, expiry) = (certificates.map { .certificate($0) }, .privateKey(key), end)
    do { _ = try NIOSSLContext(configuration: configuration()) } catch {
      // Both could be read by themselves.
      let isMismatch = if case NIOSSLError.failedToLoadPrivateKey = error { true } else { false }
      throw .unusableTLS(
        path: files.key,
        reason: isMismatch
          ? """
          this key is not that of the certificate in \(files.certificate); give the two files that belong \
          together, the server's own certificate first in its file
          """
          : "\(error)")
    }
  }

  func configuration() -> TLSConfiguration {
    var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
    configuration.minimumTLSVersion = .tlsv12
    return configuration
  }

  private static func text(_ path: String) throws(ServerError) -> String {
    do throws(SmallFile.Failure) { return String(decoding: try SmallFile.bytes(path), as: UTF8.self) } catch {
      throw .unusableTLS(path: path, reason: error.reason)
    }
  }

  private static func certificates(_ text: String, _ path: String) throws(ServerError) -> [NIOSSLCertificate] {
    guard text.contains("-----BEGIN CERTIFICATE-----") || text.contains("-----BEGIN TRUSTED CERTIFICATE-----") else {
      let reason =
        text.contains("PRIVATE KEY-----")
        ? "it has a private key and no certificate: are the two files swapped?"
        : "it has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
      throw .unusableTLS(path: path, reason: reason)
    }
    let certificates: [NIOSSLCertificate]
    do { certificates = try NIOSSLCertificate.fromPEMBytes(Array(text.utf8)) } catch {
      throw .unusableTLS(path: path, reason: "its certificate is damaged (\(error))")
    }
    guard !certificates.isEmpty else { throw .unusableTLS(path: path, reason: "it has no certificate") }
    return certificates
  }

  private static func key(_ text: String, _ path: String) throws(ServerError) -> NIOSSLPrivateKey {
    guard text.contains("PRIVATE KEY-----") else {
      let reason =
        text.contains("-----BEGIN CERTIFICATE-----")
        ? "it has a certificate and no private key: are the two files swapped?"
        : "it has no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
      throw .unusableTLS(path: path, reason: reason)
    }
    guard !text.contains("ENCRYPTED") else {
      throw .unusableTLS(
        path: path,
        reason: "the key is encrypted, and nobody is there to give its passphrase; write it without: "
          + "openssl pkey -in \(path) -out NEW.key, readable to the server's user only")
    }
    do { return try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem) } catch {
      throw .unusableTLS(path: path, reason: "its private key is damaged (\(error))")
    }
  }

  static func day(_ seconds: Int) -> String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(Date.ISO8601FormatStyle().year().month().day())
  }
}
