# docker build -t understudy --build-arg VERSION="$(git describe --tags --always)" .
# docker run -p 8080:8080 -v understudy:/data understudy

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /understudy ./cmd/understudy \
    && mkdir /data

# static has no shell and no libc: certificate authorities, time zones, and a user without rights.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /understudy /usr/local/bin/understudy
COPY --from=build --chown=nonroot:nonroot /data /data
ENV UNDERSTUDY_LISTEN=0.0.0.0:8080 UNDERSTUDY_DATA=/data UNDERSTUDY_AUTH=keys
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["understudy"]
CMD ["serve"]
